"""Too little data is said in words: every notebook gets through landings with next to nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engagement.runs.batch import NOTEBOOKS, notebooks
from engagement.settings import load_settings
from engagement.warehouse import open_warehouse

EVENT = {
    "type": "track",
    "event": "Product Viewed",
    "messageId": "m-1",
    "anonymousId": "a-1",
    "receivedAt": "2026-11-18T14:05:10.431Z",
    "timestamp": "2026-11-18T14:05:10.429Z",
    "properties": {"product_id": "prd-1", "price": 29.95},
}


def _event(number: int, kind: str, **fields: Any) -> dict[str, Any]:
    """An event of one visit, as the browser SDK shapes it, ``number`` minutes after 14:00."""
    time = f"2026-11-18T14:{number:02d}:00.000Z"
    return {
        "type": kind,
        "channel": "web",
        "messageId": f"m-{number}",
        "anonymousId": "a-1",
        "userId": "u-1" if number > 4 else "",
        "originalTimestamp": time,
        "sentAt": time,
        "receivedAt": time,
        "timestamp": time,
        "context": {
            "campaign": {},
            "locale": "en-US",
            "os": {"name": "", "version": ""},
            "page": {"path": "/", "referrer": "$direct", "search": "", "url": "https://a.example/"},
            "sessionId": 1795010702412,
            "traits": {"email": "test.person@example.com", "age": 34} if number > 4 else {},
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0",
        },
        **fields,
    }


_ITEM = {
    "product_id": "p-1",
    "name": "Trail Tee",
    "price": 29.95,
    "quantity": 1,
    "category": "Tops",
}

NINE = [
    _event(1, "page", properties={"path": "/"}),
    _event(2, "track", event="Product Viewed", properties=_ITEM),
    _event(3, "track", event="Product Added", properties=_ITEM),
    _event(4, "track", event="Checkout Started", properties={"value": 29.95, "products": [_ITEM]}),
    _event(5, "identify"),
    _event(
        6,
        "track",
        event="Order Completed",
        properties={"order_id": "o-1", "revenue": 29.95, "total": 34.95, "products": [_ITEM]},
    ),
    _event(7, "group", groupId="g-1", traits={"name": "Acme"}),
    _event(8, "alias", previousId="a-1"),
    _event(9, "track", event="Products Searched", properties={"query": "検索 1", "results": 10}),
]

LANDINGS = {
    "nine events of one visit": "".join(json.dumps(event) + "\n" for event in NINE),
    "one event": json.dumps(EVENT),
    "only bad lines": '{"type":"track","event":"Pro\nnull\n{"type":"foo"}\n',
}


DAY = "landing/received_at_utc_date=2026-11-18"


def _overrides(folder: Path) -> dict[str, Any]:
    return {
        "as_of": "2026-11-18",
        "landing.location": str(folder / "landing"),
        "warehouse.duckdb.path": str(folder / "warehouse.duckdb"),
        "run.directory": str(folder / "runs"),
    }


def run_cells(notebook: str, overrides: dict[str, Any]) -> None:
    """The cells alone, without a kernel for each notebook: that takes longer than they do."""
    document = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    for cell in document["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), notebook, "exec"), names)
        if "parameters" in cell["metadata"].get("tags", []):
            names.update(params="params/local.yaml", overrides=overrides)


@pytest.mark.slow
@pytest.mark.parametrize("name", LANDINGS)
def test_every_cell_gets_through(name: str, tmp_path: Path) -> None:
    (tmp_path / DAY).mkdir(parents=True)
    (tmp_path / DAY / "a.json").write_text(LANDINGS[name], encoding="utf-8")
    for notebook in notebooks():
        run_cells(notebook, _overrides(tmp_path))


def test_a_corrupt_gzip_is_set_apart_and_counted(tmp_path: Path) -> None:
    (tmp_path / DAY).mkdir(parents=True)
    (tmp_path / DAY / "a.json").write_text(json.dumps(EVENT), encoding="utf-8")
    (tmp_path / DAY / "b.gz").write_bytes(b"\x1f\x8b\x08\x00 this is no gzip")
    overrides = _overrides(tmp_path)
    for notebook in notebooks()[1:3]:
        run_cells(notebook, overrides)
    warehouse = open_warehouse(load_settings("params/local.yaml", overrides))
    found = warehouse.query("select file, error from landing.files where error is not null")
    [(file, error)] = found.itertuples(index=False)
    assert file == "received_at_utc_date=2026-11-18/b.gz"
    assert error.startswith("no valid gzip")
