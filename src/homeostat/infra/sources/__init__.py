"""Where rows come from: files, buckets, HTTP documents and databases, each as parts that are taken in whole, and their rows in batches."""

from __future__ import annotations

from homeostat.infra.formats.read import read, read_batches, sniff, source_name
from homeostat.infra.formats.reads import SourceRead
from homeostat.infra.sources.files import list_files, sha256_file
from homeostat.infra.sources.opening import open_source
from homeostat.infra.sources.part import Part, Source
from homeostat.infra.sources.slices import Taken

__all__ = [
    "Part",
    "Source",
    "SourceRead",
    "Taken",
    "list_files",
    "open_source",
    "read",
    "read_batches",
    "sha256_file",
    "sniff",
    "source_name",
]
