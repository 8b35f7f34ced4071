"""What Firehose could not deliver is summed up, and never read as events."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engagement.flatten.status import status
from engagement.landing.failures import COLUMNS, failures
from engagement.settings import Settings, SettingsError
from engagement.warehouse import open_warehouse
from tests.flatten.by_hand import Landing, landing, make_landing  # noqa: F401 (fixtures)

EVENT = {"type": "page", "messageId": "m1", "receivedAt": "2026-01-01T10:00:00.000Z"}


def failed(code: str | None, ended: Any = 1767700000000, key: str = "errorCode") -> str:
    """A record as Firehose writes it; 1767700000 is 2026-01-06, 11:46:40 UTC."""
    record = {
        "attemptsMade": 4,
        "arrivalTimestamp": 1767690000000,
        "attemptEndingTimestamp": ended,
        "rawData": base64.b64encode(json.dumps(EVENT).encode()).decode(),
    }
    return json.dumps(record if code is None else {**record, key: code})


def put(folder: Path, name: str, data: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def rows(settings: Settings, **more: Any) -> list[tuple[Any, ...]]:
    frame = failures(open_warehouse(settings), settings, **more)
    assert list(frame.columns) == COLUMNS
    return list(frame.itertuples(index=False, name=None))


def test_failures_are_counted_by_date_type_and_error(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    errors = tmp_path / "errors"
    settings = make_settings(landing__errors_location=str(errors))
    two = f"{failed('Lambda.A')}\n{failed('Lambda.B')}".encode()
    one = (failed("Lambda.A") + failed(None)).encode()  # without a delimiter in between
    converted = failed("DataFormat", key="ErrorCode").encode()
    put(errors, "processing-failed/2026/01/05/07/a", two)
    put(errors, "processing-failed/2026/01/05/08/b.gz", gzip.compress(one))
    put(errors, "result=format-conversion-failed/dt=2026-01-05/c", converted)
    put(errors, "d", failed("Late").encode())
    put(errors, "e", failed("Late", ended="no time").encode() + b"\n{broken")
    put(errors, "processing-failed/2026/01/07/f.gz", b"no gzip")
    assert rows(settings) == [
        ("", "", 1, len(failed("Late", ended="no time")) + 8, 2, "Late (1), no error named (1)"),
        ("2026-01-05", "format-conversion-failed", 1, len(converted), 1, "DataFormat (1)"),
        (
            "2026-01-05",
            "processing-failed",
            2,
            len(two) + len(gzip.compress(one)),
            4,
            "Lambda.A (2), Lambda.B (1), no error named (1)",
        ),
        ("2026-01-06", "", 1, len(failed("Late")), 1, "Late (1)"),
        ("2026-01-07", "processing-failed", 1, 7, 1, "unreadable (1)"),
    ]
    assert [(date, kind, files) for date, kind, files, *_ in rows(settings, read=False)] == [
        ("", "", 2),
        ("2026-01-05", "format-conversion-failed", 1),
        ("2026-01-05", "processing-failed", 2),
        ("2026-01-07", "processing-failed", 1),
    ]


def test_no_failure_makes_an_empty_table(make_settings: Callable[..., Settings]) -> None:
    assert rows(make_settings()) == []
    assert rows(make_settings(landing__errors_location="nowhere/to/be/found")) == []


def test_failures_within_the_landing_are_no_events(landing: Landing) -> None:  # noqa: F811
    landing.put([EVENT])
    for name in (
        "processing-failed/received_at_utc_date=2026-01-01/a.json",
        "received_at_utc_date=2026-01-01/processing-failed/b.json",
    ):
        put(landing.folder, name, failed("Lambda.A").encode())
    # A file of such a name is a file like any other.
    put(landing.folder, "received_at_utc_date=2026-01-01/x-failed", b"{broken")
    landing.flatten()
    assert landing.rows("select records, events, quarantined from landing.ledger") == [(2, 1, 1)]
    found = status(landing.warehouse, landing.settings)
    assert found.failures[["error_type", "files"]].values.tolist() == [["processing-failed", 2]]
    assert [kind for _, kind, *_ in rows(landing.settings)] == ["processing-failed"]


def test_both_places_are_of_one_kind(make_settings: Callable[..., Settings]) -> None:
    with pytest.raises(SettingsError, match=r"landing\.errors_location: 's3://bucket/errors' is"):
        make_settings(landing__errors_location="s3://bucket/errors")


def test_records_set_aside_are_counted_by_date_and_reason(landing: Landing) -> None:  # noqa: F811
    landing.put(["x", EVENT, {}, {}], day="2026-01-01")
    landing.put("{broken\n{}\n", day="2026-01-02")
    landing.flatten()
    expected = [
        ("2026-01-01", "no_type", 2),
        ("2026-01-01", "not_an_object", 1),
        ("2026-01-02", "no_type", 1),
        ("2026-01-02", "not_json", 1),
    ]
    query = "select received_at_utc_date, reason, records from landing.quarantine_reasons"
    assert landing.rows(f"{query} order by 1, 2") == expected
    found = status(landing.warehouse, landing.settings).reasons
    assert list(found.itertuples(index=False, name=None)) == expected
    # A date that is put right has no reason any more.
    landing.put([EVENT], day="2026-01-02")
    landing.flatten()
    assert landing.rows(f"{query} order by 1, 2") == expected[:2]
