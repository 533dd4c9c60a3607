"""What a bundle costs to run: plausible numbers, and the memory of a process of its own rather than of this one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from homeostat.flow.datasets import read_dataset
from homeostat.flow.footprint import measure_footprint, memory_mb
from homeostat.flow.registry import load_bundle

if TYPE_CHECKING:
    from homeostat.flow.project import Project
    from homeostat.serving.bundle import Bundle


@pytest.fixture
def bundle(project: Project) -> Bundle:
    return load_bundle(project, str(project.ledger.find("version")[0].body["bundle"]))


def test_time_and_capacity_are_of_the_same_calls(project: Project, bundle: Bundle) -> None:
    found = measure_footprint(bundle, read_dataset(project, project.ledger.find("dataset")[0]))
    assert 0 < 1e3 / found.capacity_per_second < found.latency_p99_ms < 1e3  # the mean is below the 99th percentile


def test_memory_is_that_of_a_fresh_process(bundle: Bundle) -> None:
    rows = [{each.name: each.example for each in bundle.manifest.inputs}]
    ballast = np.ones(40_000_000)  # 320 MB here must not show there
    found = memory_mb(bundle, rows)
    assert found is not None
    assert ballast.sum() > 0
    bare = subprocess.run(
        [sys.executable, "-c", "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(bare.stdout) * 1024 / 1e6 < found < 250


def test_a_process_that_fails_measures_nothing(bundle: Bundle) -> None:
    assert memory_mb(replace(bundle, graph=b"no graph"), []) is None


def test_the_candidate_carries_all_three(project: Project) -> None:
    body = project.ledger.find("candidate")[0].body
    assert body["latency_p99_ms"] > 0
    assert body["capacity_per_second"] > 100
    assert 30 < body["memory_mb"] < 250
    verdict = project.ledger.find("verdict")[0].body
    (gate,) = [one for one in verdict["gates"] if one["gate"] == "capacity"]
    assert (gate["limit"], gate["value"]) == (1, body["capacity_per_second"])
