"""The page about features of other tables is run: its charter and its commands, on a few visits and orders."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from homeostat.app.cli.main import main

if TYPE_CHECKING:
    import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "features.md").read_text(encoding="utf-8")
BLOCKS: dict[str, str] = dict(re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def test_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    days = [(now - timedelta(days=n)).isoformat() for n in range(40)]
    orders = [f"{n},{n % 3},{day},{n / 10},{'paid' if n % 2 else 'open'},s{n % 4}" for n, day in enumerate(days)]
    visits = [f"{n % 4},{day},{n}" for n, day in enumerate(days)]
    (tmp_path / "homeostat.yaml").write_text(BLOCKS["yaml"])
    (tmp_path / "orders.csv").write_text("\n".join(["order_id,customer,at,amount,status,shop", *orders]))
    (tmp_path / "visits.csv").write_text("\n".join(["customer,asked,basket", *visits]))
    event = {"order_id": 99, "customer": 1, "at": now.isoformat(), "amount": 5, "status": "paid", "shop": "s1"}
    (tmp_path / "events.jsonl").write_text(json.dumps(event) + "\n")
    monkeypatch.chdir(tmp_path)
    said = []
    for line in BLOCKS["sh"].splitlines():
        assert main(line.split()[1:]) == 0, capsys.readouterr().err
        said.append(capsys.readouterr().out)
    assert said[1].startswith("200 values of 5 features in 40 rows, 40 events replayed: equal, bit for bit")
    assert said[2].startswith("1 events taken in, 0 known already, 0 too late, 0 refused")
    assert said[3].splitlines()[1].split()[0] == "orders"
    assert said[3].splitlines()[1].split()[-1] == "1"
