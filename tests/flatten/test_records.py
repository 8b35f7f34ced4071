"""What a record is, which are kept, and that every one is accounted for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from engagement.records.files import LandingError
from tests.flatten.by_hand import Landing

# A type makes a record an event: without one it would be quarantined as well.
P = '"type":"page",'


@pytest.mark.parametrize(
    ("line", "events", "quarantined"),
    [
        (f'{{{P}"a":1}}{{{P}"a":"}}{{"}}{{{P}"a":3}}', 3, 0),
        (f'{{{P}"a":1}}  {{{P}"a":2}}', 2, 0),
        (f'{{{P}"a":1}},{{{P}"a":2}}', 0, 1),
        ('{"a":{"b":1}{"c":2}}', 0, 2),
        (f'{{{P}"a":1}}{{"b":"tru', 1, 1),
        ('{"a":"tru{"b":1}{"c":2}', 0, 1),
        (f'{{{P}"a":"q\\"}}{{"}}{{{P}"b":2}}', 2, 0),
        (f'{{{P}"a":"\\\\"}}{{{P}"b":2}}', 2, 0),
        (f'{{{P}"a":1}}garbage', 0, 1),
        ("{}{}{}", 0, 3),
    ],
)
def test_a_line_is_cut_into_records(
    landing: Landing, line: str, events: int, quarantined: int
) -> None:
    landing.put(line)
    landing.flatten()
    assert landing.rows("select records, events, duplicates, quarantined from landing.ledger") == [
        (events + quarantined, events, 0, quarantined)
    ]


def test_every_bad_record_is_quarantined_with_file_line_reason_and_text(landing: Landing) -> None:
    landing.put(
        b'{"type":"page","messageId":"1"}\n'
        b"\n"
        b'{"type":"page","messageId":"2\n'
        b"[1, 2]\n"
        b'{"messageId":"3"}\n'
        b'{"type":"foo","messageId":"4"}\n'
        b'{"type":"page","messageId":"\xff"}\n'
        b'{"type":"page","a":1,}\n'
        b'{"type":"page","a":NaN}\n'
        b'{"type":"page","a":1E400}\n'
        b'{"type":"page","a":"\\ud800"}\n'
        b'{"type":"PAGE","messageId":"5","a":"NaN, 1E400, ,}"}\n'
    )
    landing.flatten()
    found = landing.rows(
        "select line_number, reason, record_encoding from landing.quarantine order by line_number"
    )
    assert found == [
        (3, "not_json", None),
        (4, "not_an_object", None),
        (5, "no_type", None),
        (6, "unknown_type", None),
        (7, "invalid_utf8", "base64"),
        (8, "not_json", None),
        (9, "not_json", None),
        (10, "not_json", None),
        (11, "not_json", None),
    ]
    [(file, record)] = landing.rows(
        "select file, record from landing.quarantine where line_number = 3"
    )
    assert (file, record) == ("received_at_utc_date=2026-01-01/a", '{"type":"page","messageId":"2')
    assert landing.rows("select id, type from events.events order by id") == [
        ("1", "page"),
        ("5", "page"),
    ]
    assert landing.rows(
        "select lines, blank_lines, records, events, duplicates, quarantined from landing.ledger"
    ) == [(12, 1, 11, 2, 0, 9)]


def _copy(day: str, **fields: Any) -> dict[str, Any]:
    event = {"type": "page", "messageId": "m", "receivedAt": f"{day}T10:00:00.000Z", **fields}
    return {key: value for key, value in event.items() if value is not None}


def test_a_copy_within_the_window_of_any_earlier_copy_is_a_duplicate(landing: Landing) -> None:
    # 1 January is kept. 8 January lies 7 days after it: a duplicate. 14 January lies 6 days after
    # that duplicate: one too. 22 January lies 8 days after the last copy: an event again.
    for day in ("2026-01-01", "2026-01-08", "2026-01-14", "2026-01-22"):
        landing.put([_copy(day)], day)
    landing.flatten()
    assert landing.rows(
        "select received_at_utc_date, events, duplicates from landing.ledger order by 1"
    ) == [
        ("2026-01-01", 1, 0),
        ("2026-01-08", 0, 1),
        ("2026-01-14", 0, 1),
        ("2026-01-22", 1, 0),
    ]


def test_of_copies_the_first_received_is_kept_wherever_it_lies(landing: Landing) -> None:
    later = _copy("2026-01-01", receivedAt="2026-01-01T11:00:00.000Z", name="later")
    landing.put([later], name="a")
    landing.put([_copy("2026-01-01", name="earlier")], name="b")
    landing.flatten()
    assert landing.rows("select name from events.pages") == [("earlier",)]


def test_exact_copies_without_a_message_id_are_one_event(landing: Landing) -> None:
    landing.put([_copy("2026-01-01", messageId=""), _copy("2026-01-01", messageId="")])
    landing.put([_copy("2026-01-01", messageId=None, name="other")], name="b")
    landing.flatten()
    assert landing.rows("select count(*), count_if(id like 'auto-%') from events.events") == [
        (2, 2)
    ]


def test_the_folders_date_rules(landing: Landing) -> None:
    landing.put(
        [
            _copy("2026-01-01", messageId="inside"),
            _copy("2026-01-01", messageId="after", receivedAt="2099-01-01T00:00:00.000Z"),
            _copy("2026-01-01", messageId="before", receivedAt="2025-12-31T23:59:59.999Z"),
            _copy("2026-01-01", messageId="none", receivedAt=None),
        ]
    )
    landing.flatten()
    assert landing.rows("select id, received_at from events.events order by id") == [
        ("after", datetime(2026, 1, 1, 23, 59, 59, 999000)),
        ("before", datetime(2026, 1, 1)),
        ("inside", datetime(2026, 1, 1, 10)),
        ("none", datetime(2026, 1, 1)),
    ]
    assert landing.rows("select moved_received_at from landing.ledger") == [(2,)]


def test_event_time_is_believed_up_to_a_day_after_it_was_received(landing: Landing) -> None:
    received = "2026-01-01T10:00:00.000Z"
    landing.put(
        [
            {**_copy("2026-01-01", messageId="fine"), "timestamp": "2026-01-02T10:00:00.000Z"},
            {**_copy("2026-01-01", messageId="future"), "timestamp": "2026-01-02T10:00:00.001Z"},
            {**_copy("2026-01-01", messageId="past"), "timestamp": "1999-12-31T23:59:59.999Z"},
            # Without a timestamp: receivedAt - (sentAt - originalTimestamp) = 10:00 - 5 min.
            {
                **_copy("2026-01-01", messageId="computed"),
                "originalTimestamp": "2025-01-01T00:00:00Z",
                "sentAt": "2025-01-01T00:05:00Z",
            },
        ]
    )
    landing.flatten()
    at = datetime.fromisoformat(received).replace(tzinfo=None)
    assert landing.rows('select id, "timestamp" from events.events order by id') == [
        ("computed", datetime(2026, 1, 1, 9, 55)),
        ("fine", datetime(2026, 1, 2, 10)),
        ("future", at),
        ("past", at),
    ]
    assert landing.rows("select unbelieved_timestamps from landing.ledger") == [(2,)]


def test_a_corrupt_file_is_set_apart_and_the_rest_goes_on(landing: Landing) -> None:
    landing.put([_copy("2026-01-01")], name="a.json")
    landing.put(b"\x1f\x8b broken", name="b.gz")
    report = landing.flatten()
    assert [f.file for f in report.unreadable] == ["received_at_utc_date=2026-01-01/b.gz"]
    assert landing.rows("select files, unreadable_files, events from landing.ledger") == [(2, 1, 1)]


def test_other_sources_are_counted_apart(make_landing: Callable[..., Landing]) -> None:
    landing = make_landing(landing__write_keys=["web"])
    landing.put(
        [
            _copy("2026-01-01", messageId="1", writeKey="web"),
            _copy("2026-01-01", messageId="2", writeKey="app"),
            _copy("2026-01-01", messageId="3"),
        ]
    )
    landing.flatten()
    assert landing.rows("select records, events, other_sources from landing.ledger") == [(1, 1, 2)]


def test_an_empty_landing_is_an_error_that_names_the_key(landing: Landing) -> None:
    with pytest.raises(LandingError, match=r"landing\.location: .* holds no file"):
        landing.flatten()


@pytest.mark.parametrize("content", ["", "\n\n", "[]\n"])
def test_files_without_an_event_make_empty_tables(landing: Landing, content: str) -> None:
    landing.put(content)
    landing.flatten()
    assert landing.rows("select count(*) from events.events") == [(0,)]
    assert landing.rows("select count(*) from events.tracks") == [(0,)]
