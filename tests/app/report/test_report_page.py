"""The page: one file that asks for nothing, in which nothing of the data is markup, and whose numbers are those of the JSON."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import datetime, timedelta
from html.parser import HTMLParser
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from homeostat.app.report.frame import SCRIPTS, for_script
from homeostat.app.report.page import MOST_CARDS, page
from homeostat.core.ids import canonical

if TYPE_CHECKING:
    from collections.abc import Callable

    from homeostat.flow.profile import Profiled

    Profile = Callable[..., Profiled]

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;{{7*7}}<!--\u2028"


class Reader(HTMLParser):
    """Collects elements with their attributes, and the text outside of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.inside = ""
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self.inside = tag
            self.scripts += [""] if tag == "script" else []

    def handle_endtag(self, tag: str) -> None:
        self.inside = "" if tag == self.inside else self.inside

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.text += data
        elif self.inside == "script":
            self.scripts[-1] += data


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    return reader


def frame(rows: int = 300) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "x": rng.normal(size=rows),
            "colour": rng.choice(["red", "green"], rows),
            "gaps": [None if i % 3 else float(i) for i in range(rows)],
            "at": [datetime(2024, 1, 1) + timedelta(days=i) for i in range(rows)],
            "y": rng.normal(size=rows),
        }
    )


def test_the_page_is_one_file_that_asks_for_nothing(profiled: Profile) -> None:
    read_page = read(page(profiled(frame(), "y", time="at")))
    for tag, attributes in read_page.elements:
        assert "src" not in attributes
        assert not attributes.get("href") or attributes["href"] == "data:,"[:6] or attributes["href"].startswith("#"), (tag, attributes)
    policy = next(each["content"] for tag, each in read_page.elements if tag == "meta" and "http-equiv" in each)
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert "unsafe-eval" not in policy


def test_nothing_of_the_data_is_markup(profiled: Profile) -> None:
    rows = 300
    names = {f"{EVIL}{i}": [f"{EVIL} {j % 3}" for j in range(rows)] for i in range(2)}
    evil = pl.DataFrame(
        {**names, "long": [f"{EVIL} words and more words {j} again" for j in range(rows)], f"target{EVIL}": np.arange(rows) % 2}
    )
    found = profiled(evil, f"target{EVIL}", "binary")
    plain, spoilt = read(page(profiled(frame(), "y"))), read(page(found))
    assert {tag for tag, _ in spoilt.elements} <= {tag for tag, _ in plain.elements} | {"details", "summary"}
    assert not [attributes for _, attributes in spoilt.elements if any(name.startswith("on") for name in attributes)]
    assert len(spoilt.scripts) == len(plain.scripts) == len(SCRIPTS) + 2
    assert spoilt.scripts[1:] == plain.scripts[1:]
    specs = json.loads(spoilt.scripts[0])
    assert EVIL in json.dumps(specs, ensure_ascii=False).encode().decode().replace('\\"', '"')
    assert EVIL in spoilt.text


@pytest.mark.parametrize("value", [EVIL, "<!--<script>", "]]>", "\u2029", "\x00"])
def test_json_in_a_script_element_is_still_json(value: str) -> None:
    text = for_script({"a": value})
    assert json.loads(text) == {"a": value}
    assert not set("<>&\u2028\u2029") & set(text)


def test_the_head_says_what_was_looked_at(profiled: Profile) -> None:
    text = " ".join(read(page(profiled(frame(), "y", time="at"))).text.split())
    for said in (
        "shop: what the data says",
        "dataset-1",
        "0123456789ab",
        "2026-01-02 03:04 UTC",
        "Nothing here comes from the sealed holdout",
        "300 training rows",
    ):
        assert said in text
    assert "The plots need JavaScript" in text


def test_every_plot_has_its_numbers_and_every_link_its_place(profiled: Profile) -> None:
    seen = read(page(profiled(frame(), "y", time="at")))
    ids = {attributes["id"] for _, attributes in seen.elements if "id" in attributes}
    links = [str(attributes["href"])[1:] for _, attributes in seen.elements if str(attributes.get("href", "")).startswith("#")]
    assert set(links) <= ids
    drawn = [int(str(attributes["data-plot"])) for _, attributes in seen.elements if "data-plot" in attributes]
    assert sorted(drawn) == list(range(len(json.loads(seen.scripts[0]))))
    regions = [attributes for _, attributes in seen.elements if attributes.get("role") == "region"]
    assert regions
    assert all(attributes.get("tabindex") == "0" and attributes.get("aria-label") for attributes in regions)


def test_what_is_drawn_is_in_the_json(profiled: Profile) -> None:
    found = profiled(frame(), "y", time="at")
    told = json.loads(canonical(asdict(found)))
    numbers = set(re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", json.dumps(told)))
    for spec in json.loads(read(page(found)).scripts[0]):
        for row in spec["data"]["values"]:
            for key, value in row.items():
                # Instants are written as texts in the JSON, and a bar of deviations is mean and deviation there.
                if isinstance(value, int | float) and not isinstance(value, bool) and key not in {"at", "low", "high"}:
                    assert json.dumps(value) in numbers or json.dumps(float(value)) in numbers, (spec["title"], row)


def test_with_very_many_columns_only_the_closest_have_a_card(profiled: Profile) -> None:
    rng = np.random.default_rng(0)
    wide = pl.DataFrame({f"c{i}": rng.normal(size=120) for i in range(300)} | {"y": rng.normal(size=120)})
    found = profiled(wide, "y")
    text = page(found)
    assert text.count("<article") == MOST_CARDS
    assert len(text) < 3_000_000
    assert all(f"c{i}" in text for i in range(300))


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_hardly_any_row_is_a_page_too(rows: int, profiled: Profile) -> None:
    text = page(profiled(frame().head(rows), "y", time="at"))
    assert "Fewer than two columns can be related" in text or rows
    assert text.rstrip().endswith("</html>")


def test_the_scripts_are_shipped_with_their_licences() -> None:
    assets = files("homeostat.app.web") / "assets"
    notice, licences = ((assets / name).read_text(encoding="utf-8") for name in ("NOTICE", "LICENSES.txt"))
    for name in SCRIPTS:
        text = (assets / name).read_text(encoding="utf-8")
        assert "</script" not in text.lower()
        assert "<!--" not in text
        stem = name.removesuffix(".min.js")
        version = re.search(rf"{stem} (\d+\.\d+\.\d+)", notice)
        assert version
        assert f'"{version[1]}"' in text
        assert f"{stem} {version[1]}" in licences
