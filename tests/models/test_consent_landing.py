"""Consent from landed records to the profile: no later answer leaves an earlier yes in place."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from engagement.flatten import flatten
from engagement.models.runner import build
from engagement.settings import Settings
from engagement.warehouse import open_warehouse

ANSWERS: dict[str, tuple[Any, bool]] = {
    # What an identify says after an earlier one said true, and whether the person still agrees.
    "unsubscribed": ("unsubscribed", False),
    "off": ("off", False),
    "letter": ("N", False),
    "blank behind": ("false ", False),
    "underscore": ("opted_out", False),
    "sentence": ("did_not_subscribe", False),
    "text 0": ("0", False),
    "number 0": (0, False),
    "number 0.0": (0.0, False),
    "half": (0.5, False),
    "boolean": (False, False),
    "date": ("2026-01-05", False),
    "list": (["true"], False),
    "huge": (1e300, False),
    "number 1": (1, True),
    "number 1.0": (1.0, True),
    "yes": (" YES", True),
    # No answer at all.
    "empty": ("", True),
    "blank": (" ", True),
    "nothing": (None, True),
    "empty list": ([], True),
    "object": ({"by": "phone"}, True),
}


def identify(user: str, day: int, answer: Any) -> dict[str, Any]:
    at = f"2026-01-{day:02}T10:00:00.000Z"
    return {
        "messageId": f"{user} {day}",
        "type": "identify",
        "userId": user,
        "anonymousId": f"device of {user}",
        "originalTimestamp": at,
        "timestamp": at,
        "receivedAt": at,
        "context": {"traits": {"consent": {"email": answer}}},
    }


def test_every_answer_is_read_whatever_its_type(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    for day in (2, 6):
        folder = tmp_path / "landing" / f"received_at_utc_date=2026-01-{day:02}"
        folder.mkdir(parents=True)
        records = [
            identify(user, day, True if day == 2 else answer)
            for user, (answer, _) in ANSWERS.items()
        ]
        folder.joinpath("a.json").write_text("".join(f"{json.dumps(r)}\n" for r in records))
    settings = make_settings()
    warehouse = open_warehouse(settings)
    flatten(warehouse, settings)
    build(warehouse, settings, date(2026, 1, 31), ["people"])
    found = warehouse.query("select user_id, consent_email, consent_email_at from marts.profiles")
    assert dict(zip(found["user_id"], found["consent_email"], strict=True)) == {
        user: agrees for user, (_, agrees) in ANSWERS.items()
    }
    silent = {"empty", "blank", "nothing", "empty list", "object"}
    days = {u: at.day for u, at in zip(found["user_id"], found["consent_email_at"], strict=True)}
    assert days == {user: 2 if user in silent else 6 for user in ANSWERS}
    unreadable = warehouse.query(
        "select answer, count(*) as people from marts.consent_answers "
        "where not is_readable and is_latest group by answer order by answer"
    )
    assert unreadable.to_numpy().tolist() == [
        ["(date or time)", 1],
        ["(list)", 1],
        ["(number)", 1],
        ["0.5", 1],
        ["did not subscribe", 1],
    ]
