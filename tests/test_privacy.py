"""What is private in a text is masked wherever it may be shown: secrets are planted and looked for.

Everything here is invented; the card number is the one that payment services give for tests.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import Result
from typer.testing import CliRunner

from engagement.cli import app
from engagement.dashboards import style
from engagement.flatten.names import column_name, table_name
from engagement.privacy import TOO_FEW, is_private, masked, name_for, shown
from engagement.runs import batch
from engagement.runs.batch import NOTEBOOKS
from engagement.settings import Settings
from engagement.warehouse import Table, WarehouseError, open_warehouse
from engagement.warehouse.statements import Statement

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.Xq3-zJ9_planted_token"
PRIVATE = {
    "planted.person@shop.example": "… (e-mail)",
    "o'planted@shop.example": "… (e-mail)",
    "planted%40shop.example": "… (e-mail)",
    "planted.person(at)shop.example": "… (e-mail)",
    "名前@例え.テスト": "… (e-mail)",
    "4111111111111111": "… (card number)",
    "4111 1111 1111 1111": "… (card number)",
    "3782-822463-10005": "… (card number)",
    JWT: "… (token)",
    JWT.lower(): "… (token)",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc": "… (token)",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a": "… (token)",
    "AKIAIOSFODNN7EXAMPLE": "… (token)",
    "9f86d081884c7d659a2feaa0c55ad015": "… (token)",
    "dGhpc2lzYXRva2VuMTIzNDU2Nzg5MA==": "… (token)",
}

PLAIN = [
    "",
    "Trail Tee 2, blue",
    "summer_sale_2026_Q3_Email_V2_B",
    "checkoutStep2ProductListFilterV3",
    "an_extremely_long_event_name_that_a_tag_manager_made_of_a_sentence_2",
    "d9b2d63d-a233-4123-847a-7090c0a3b2f4",  # says nothing of anybody without the tables
    "2026-01-05 10:00:00.000",
    "1700000000000",
    "4111111111111112",  # the last digit does not check
    "rudderstack-events-1-2026-09-02-01-35-11-14435040-e568",
    "20261130T095841Z-05f3",
    "received_at_utc_date=2026-09-02",
    "regexp_like(x, '^[^@]+@[^@]+$')",
    "mail me @ noon",
    "@handle",
    "EUR",
]


@pytest.mark.parametrize(("text", "mask"), PRIVATE.items())
def test_what_is_private_is_masked_within_any_text(text: str, mask: str) -> None:
    assert masked(text) == mask
    assert masked(f"no rate for '{text}', today") == f"no rate for '{mask}', today"
    assert is_private(text)


@pytest.mark.parametrize("text", ["a" * 10**6 + "1", "1a" * 500_000, "a@" * 500_000, "4" * 10**6])
def test_no_text_takes_long(text: str) -> None:
    started = time.process_time()
    masked(text)
    assert time.process_time() - started < 5  # quadratic would be hours


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_not_stays(text: str) -> None:
    assert masked(text) == text


def test_a_frame_is_shown_without_what_is_private() -> None:
    frame = pd.DataFrame(
        {
            "term": pd.array(["tees", "jane doe", "a@b.example", None], dtype="str"),
            "people": [12, 2, 40, 1],
            "x@y.example": [1, 2, 3, 4],
            "lists": [["a", "4111111111111111"], [], None, ["b"]],
        }
    )
    found = shown(frame, typed=["term"], people="people")
    assert found.columns.tolist() == ["term", "people", "… (e-mail)", "lists"]
    assert found["term"].tolist()[:3] == ["tees", TOO_FEW, "… (e-mail)"]
    assert pd.isna(found["term"].iloc[3])
    assert found["lists"].tolist() == [["a", "… (card number)"], [], None, ["b"]]
    assert frame["term"].iloc[1] == "jane doe"
    untouched = pd.DataFrame({"a": ["x"], "n": [1]})
    assert shown(untouched) is untouched
    assert shown(pd.DataFrame({"a": [], "n": []}), typed=["a"], people="n").empty


def test_names_that_are_private_give_tables_and_columns_other_ones() -> None:
    for raw in PRIVATE:
        assert name_for(raw) == name_for(raw)
        assert name_for(raw).startswith("withheld_")
        assert table_name(raw) == column_name(raw)
        assert table_name(raw).startswith("withheld_")
    assert table_name("Order Completed") == "order_completed"
    assert len({table_name(raw) for raw in PRIVATE}) == len(PRIVATE)


def test_errors_and_statements_repeat_nothing_private(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    warehouse = open_warehouse(make_settings())
    warehouse.log.path = tmp_path / "statements.jsonl"
    with warehouse.session(write=True) as session:
        session.publish(Table("marts", "orders"), "select 'planted@shop.example' as currency")
        with pytest.raises(WarehouseError) as told:
            session.query("select cast(currency as bigint) as n from marts.orders")
        assert "'… (e-mail)'" in str(told.value)
        assert told.value.__cause__ is None
        assert told.value.__suppress_context__
        session.query("select * from marts.orders where currency = '4111111111111111'")
    warehouse.log.keep(Statement("events.planted@shop.example", f"select '{JWT}'", 1, 0.1))
    written = warehouse.log.path.read_text(encoding="utf-8")
    for secret in ("planted", "4111111111111111", "eyJ"):
        assert secret not in written
    assert "… (token)" in json.loads(written.splitlines()[-1])["sql"]


def test_labels_of_charts_are_masked() -> None:
    assert style.label("to  planted@shop.example") == "to … (e-mail)"


def test_messages_in_executed_notebooks_are_masked(tmp_path: Path) -> None:
    page = tmp_path / "a.ipynb"
    outputs = [
        {
            "output_type": "error",
            "ename": "ModelError",
            "evalue": "first: currency=planted@shop.example",
            "traceback": ["\x1b[31mcurrency=planted@shop.example\x1b[0m", "4111111111111111"],
        },
        {"output_type": "stream", "name": "stderr", "text": ["planted@shop.example\n"]},
        {"output_type": "display_data", "data": {"text/plain": "x"}},
    ]
    page.write_text(json.dumps({"cells": [{"outputs": outputs}, {}]}), encoding="utf-8")
    batch._mask_messages(page)
    written = page.read_text(encoding="utf-8")
    assert "planted" not in written
    assert "4111111111111111" not in written
    assert written.count("… (e-mail)") == 3


DAY = "2026-11-18"
SECRETS = ["planted", "4111111111111111", "4111 1111 1111 1111", "eyJhbGci", "eyjhbgci", "sk_live_"]
MAIL, CARD, KEY = "planted.person@shop.example", "4111111111111111", "sk_live_4eC39HqLyjWDarjtT1zdp"


def _planted() -> list[dict[str, Any]]:
    """Visits of twelve people who type, and whose shop sends, secrets in every place."""
    made: list[dict[str, Any]] = []
    start = datetime(2026, 11, 1, 9, tzinfo=UTC)

    def add(person: int, kind: str, **more: Any) -> None:
        moment = start + timedelta(days=len(made) % 17, minutes=len(made))
        at = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        names = ("originalTimestamp", "sentAt", "receivedAt", "timestamp")
        context = {
            "campaign": {"name": MAIL, "source": CARD, "medium": KEY, "term": JWT, "content": MAIL},
            "page": {
                "path": f"/{MAIL}",
                "url": f"https://a.example/?utm_campaign={MAIL}",
                "referrer": f"https://{KEY}.example/{MAIL}",
            },
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0",
            "locale": MAIL,
            "timezone": MAIL,
            "traits": {"email": MAIL, MAIL: 1},
            "library": {"name": MAIL, "version": "1"},
            "os": {"name": MAIL},
            "device": {"type": MAIL},
        }
        event = {"type": kind, "channel": "web", "messageId": f"m{len(made)}", "context": context}
        ids = {"anonymousId": f"a{person}", "userId": f"u{person}" if person % 2 else ""}
        made.append({**event, **ids, **dict.fromkeys(names, at), **more})

    item = {"product_id": MAIL, "name": JWT, "brand": KEY, "category": CARD, "variant": MAIL}
    item |= {"price": 5, "quantity": 1, MAIL: 1}
    for person in range(12):
        for event in ("Product Viewed", "Product Added"):
            add(person, "track", event=event, properties={**item, JWT: 1, CARD: "1"})
        for query in (MAIL, CARD, JWT, KEY, f"planted words of person {person}"):
            add(
                person,
                "track",
                event="Products Searched",
                properties={"query": query, "results": 0},
            )
        for number, currency in enumerate((None, MAIL, CARD)):
            order = {"order_id": f"{MAIL}-{person}-{number}", "revenue": 5, "total": 6}
            order |= {"currency": currency, "coupon": MAIL, "payment_method": MAIL}
            add(person, "track", event="Order Completed", properties={**order, "products": [item]})
        add(person, "track", event=MAIL, properties={MAIL: MAIL, KEY: KEY})
        add(person, "track", event=CARD, properties={"price": MAIL})
        add(person, "track", event=JWT, properties={"a": 1})
        add(person, "page", name=MAIL, properties={"title": MAIL, "path": f"/{MAIL}"})
        add(person, "identify", traits={"email": MAIL, "phone": CARD, "firstName": JWT})
        add(person, "group", groupId=MAIL, traits={"name": MAIL})
    return made


def _found(folder: Path, *, but: tuple[str, ...] = ()) -> list[str]:
    """Files in which a secret stands."""
    return [
        f"{path.relative_to(folder)}: {secret}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part in path.as_posix() for part in but)
        for secret in SECRETS
        if secret in path.read_text(encoding="utf-8", errors="replace")
    ]


def _engagement(tmp_path: Path, *words: str) -> Result:
    own = [
        f"landing.location={tmp_path / 'landing'}",
        f"warehouse.duckdb.path={tmp_path / 'warehouse.duckdb'}",
        f"run.directory={tmp_path / 'runs'}",
        f"as_of={DAY}",
    ]
    return CliRunner().invoke(app, [*words, *(w for value in own for w in ("--set", value))])


@pytest.mark.slow
def test_secrets_in_every_place_are_found_in_exports_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = tmp_path / "landing" / f"received_at_utc_date={DAY}"
    day.mkdir(parents=True)
    lines = [json.dumps(event) for event in _planted()]
    lines += [f'{{"type":"track","userId":"{MAIL}","event":', f'["{MAIL}"]', f'{{"type":"{MAIL}"}}']
    (day / "a.json").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = _engagement(tmp_path, "run")
    assert done.exit_code == 0, done.output
    assert [secret for secret in SECRETS if secret in done.output] == []
    # The search is no empty one: exports hold what they are for.
    exports = ("/exports/pinpoint/", "/exports/customer_profiles/", "/exports/personalize/")
    held = _found(tmp_path / "runs")
    assert any("/exports/personalize/items/part-00001.csv" in name for name in held)
    assert _found(tmp_path / "runs", but=exports) == []

    # A failure that shows the offending row, and one of the engine that repeats a value.
    broken = tmp_path / "notebooks"
    shutil.copytree(NOTEBOOKS, broken)
    page = broken / "03_model_customers.ipynb"
    document = json.loads(page.read_text(encoding="utf-8"))
    code = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    code[1]["source"] = (
        "import logging\n"
        "from engagement.runs import workbook\n"
        "from engagement.models.runner import ModelError\n"
        "book = workbook.open(params, overrides)\n"
        "with book.warehouse.session() as session:\n"
        "    row = session.query(\"select currency from marts.orders where currency like '%@%'\")\n"
        "try:\n"
        "    book.query('select cast(currency as bigint) as n from marts.orders')\n"
        "except Exception as error:\n"
        "    logging.warning('%s', error)\n"
        "raise ModelError(f'the first: currency={row.iloc[0, 0]}')\n"
    )
    page.write_text(json.dumps(document), encoding="utf-8")
    monkeypatch.setattr(batch, "NOTEBOOKS", broken)
    failed = _engagement(tmp_path, "run", "--only", "03")
    assert failed.exit_code == 1
    assert "the first: currency=… (e-mail)" in failed.stderr
    assert [secret for secret in SECRETS if secret in failed.output] == []
    assert _found(tmp_path / "runs", but=exports) == []


def test_no_id_of_a_run_is_a_token() -> None:
    for number in range(0, 65_536, 13):
        run = f"20261130T184909Z-{number:04x}"
        assert masked(run) == run
        assert masked(f"{run}-interactive") == f"{run}-interactive"


def test_the_path_of_a_run_is_no_token() -> None:
    for path in (
        "runs/20261130T110832Z-2ff2/notebooks/04_dashboard_aggregates.ipynb",
        "warehouse/engagement.duckdb",
    ):
        assert masked(path) == path
    token = "aB3dE5gH7jK9mN1pQ3sT5v"
    assert token not in masked(f"exports/{token}/file")
