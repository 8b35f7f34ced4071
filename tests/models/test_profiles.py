"""Who people are: identify events in, the latest value of every trait out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from engagement.models.runner import ModelError
from tests.models.conftest import Bench


def identify(id_: str, at: str, person: str, user: str | None = "u1", received: str | None = None,
             **traits: Any) -> dict[str, Any]:  # fmt: skip
    return {"id": id_, "timestamp": at, "received_at": received or at, "person_id": person,
            "anonymous_id": "d1", "user_id": user, "type": "identify", **traits}  # fmt: skip


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def build(bench: Bench, *events: dict[str, Any]) -> None:
    columns = {"id", "timestamp", "received_at", "person_id", "anonymous_id", "user_id", "type"}
    bench.given("marts.person_events", [{k: e[k] for k in e.keys() & columns} for e in events])
    bench.given(
        "sources.identifies",
        [
            {k: e[k] for k in e.keys() - {"person_id", "type"}}
            for e in events
            if e["type"] == "identify"
        ],
    )
    bench.build("consent_answers", "profiles")


def test_the_latest_value_counts_and_not_the_largest(bench: Bench) -> None:
    build(
        bench,
        identify("1", "2026-01-01 10:00", "p", email="zoe@example.com", age=40, plan="premium"),
        identify("2", "2026-01-02 10:00", "p", email="ann@example.com", age=30, plan="free"),
    )
    assert bench.rows(
        "select email, age, plan, initial_email, initial_age, initial_plan from marts.profiles"
    ) == [("ann@example.com", 30, "free", "zoe@example.com", 40, "premium")]


def test_each_trait_for_itself_an_event_that_is_silent_erases_nothing(bench: Bench) -> None:
    build(
        bench,
        identify("1", "2026-01-01 10:00", "p", email="ann@example.com", address_city="Lyon"),
        identify("2", "2026-01-02 10:00", "p", address_city="Nantes", address_country="FR"),
        identify("3", "2026-01-03 10:00", "p", phone="+1-555-0100"),
    )
    assert bench.rows(
        "select email, city, country, phone, first_name, initial_city, initial_phone "
        "from marts.profiles"
    ) == [("ann@example.com", "Nantes", "FR", "+1-555-0100", None, "Lyon", "+1-555-0100")]


def test_event_time_orders_then_received_at_then_the_id(bench: Bench) -> None:
    build(
        bench,
        # Received last, happened first.
        identify("1", "2026-01-01 10:00", "late", plan="old", received="2026-01-09 00:00"),
        identify("2", "2026-01-02 10:00", "late", plan="new"),
        # Happened together, received one after the other.
        identify("4", "2026-01-03 10:00", "tied", plan="first", received="2026-01-03 10:01"),
        identify("3", "2026-01-03 10:00", "tied", plan="second", received="2026-01-03 10:02"),
        # Happened and received together.
        identify("5", "2026-01-04 10:00", "twin", plan="smaller id"),
        identify("6", "2026-01-04 10:00", "twin", plan="larger id"),
    )
    assert bench.rows(
        "select person_id, plan, initial_plan from marts.profiles order by person_id"
    ) == [
        ("late", "new", "old"),
        ("tied", "second", "first"),
        ("twin", "larger id", "smaller id"),
    ]


def test_consent_may_be_taken_back_and_is_null_where_never_given(bench: Bench) -> None:
    build(
        bench,
        identify("1", "2026-01-01 10:00", "p", consent_email="true", consent_sms="false"),
        identify("2", "2026-01-02 10:00", "p", consent_email="false"),
        identify("3", "2026-01-03 10:00", "p", plan="free"),
    )
    assert bench.rows(
        "select consent_email, consent_sms, consent_push, consent_email_at, consent_sms_at, "
        "consent_push_at from marts.profiles"
    ) == [
        (False, False, None, _time("2026-01-02 10:00"), _time("2026-01-01 10:00"), None)
    ]  # fmt: skip


def test_the_month_of_birth(bench: Bench) -> None:
    """Read from dates that begin with the year, or with ``--`` in its place; of the latest one."""
    birthdays = {
        "day": ("1990-05-17", 5),
        "time": ("1990-12-01T00:00:00.000Z", 12),
        "no-year": ("--02-29", 2),
        "american": ("05/17/1990", None),
        "thirteen": ("1990-13-01", None),
        "words": ("in May", None),
        "silent": (None, None),
    }
    build(
        bench,
        *(
            identify(f"{n}", "2026-01-01 10:00", person, birthday=text)
            for n, (person, (text, _)) in enumerate(birthdays.items())
        ),
        identify("old", "2026-01-01 09:00", "words", birthday="1990-01-01"),
    )
    assert dict(bench.rows("select person_id, birthday_month from marts.profiles")) == {
        person: month for person, (_, month) in birthdays.items()
    }
    assert bench.rows(
        "select birthday, initial_birthday from marts.profiles where person_id = 'words'"
    ) == [("in May", "1990-01-01")]


def test_every_trait_has_its_column(bench: Bench) -> None:
    build(
        bench,
        identify(
            "1", "2026-01-01 10:00", "p",
            email="ann@example.com", phone="+1-555-0100", name="Ann Sample", first_name="Ann",
            last_name="Sample", gender="female", age=30, address_city="Lyon", address_state="ARA",
            address_country="FR", address_postal_code="69001", plan="free",
            birthday="1995-07-01", created_at="2024-02-29 23:59:59", consent_email="yes",
            consent_sms="no", consent_push="1",
        ),
    )  # fmt: skip
    assert bench.rows(
        "select email, phone, name, first_name, last_name, gender, age, birthday, city, state, "
        "country, postal_code, plan, account_created_at, consent_email, consent_sms, consent_push "
        "from marts.profiles"
    ) == [
        ("ann@example.com", "+1-555-0100", "Ann Sample", "Ann", "Sample", "female", 30,
         "1995-07-01", "Lyon", "ARA", "FR", "69001", "free", _time("2024-02-29 23:59:59"), True,
         False, True)
    ]  # fmt: skip


def test_guests_are_people_and_known_by_a_user_id_only(bench: Bench) -> None:
    build(
        bench,
        {**identify("1", "2026-01-01 10:00", "guest", None), "type": "page"},
        identify("2", "2026-01-01 10:00", "subscriber", None, email="ann@example.com"),
        {**identify("3", "2026-01-01 10:00", "customer", "u1"), "type": "page"},
    )
    assert bench.rows(
        "select person_id, is_identified, user_id, email from marts.profiles order by person_id"
    ) == [
        ("customer", True, "u1", None),
        ("guest", False, None, None),
        ("subscriber", False, None, "ann@example.com"),
    ]


def test_the_user_id_is_the_latest_one_of_any_event(bench: Bench) -> None:
    build(
        bench,
        identify("1", "2026-01-02 10:00", "p", "z-former"),
        {**identify("2", "2026-01-03 10:00", "p", "a-present"), "type": "track"},
        {**identify("3", "2026-01-04 10:00", "p", None), "type": "track"},
    )
    assert bench.rows(
        "select user_id, initial_user_id, user_ids, devices, events, first_seen_at, last_seen_at "
        "from marts.profiles"
    ) == [
        ("a-present", "z-former", 2, 1, 3, _time("2026-01-02 10:00"), _time("2026-01-04 10:00"))
    ]  # fmt: skip


def test_an_event_that_recurs_beyond_the_duplicate_window_is_not_multiplied(bench: Bench) -> None:
    build(
        bench,
        identify("1", "2026-01-01 10:00", "p", plan="old"),
        identify("1", "2026-01-20 10:00", "p", plan="new"),
    )
    assert bench.rows("select plan, initial_plan, events from marts.profiles") == [
        ("new", "old", 2)
    ]


def test_there_may_be_nobody(bench: Bench) -> None:
    build(bench)
    assert bench.rows("select person_id from marts.profiles") == []


def test_an_event_that_is_nobodys_stops_the_table(bench: Bench) -> None:
    with pytest.raises(ModelError, match=r"marts\.profiles: .*the key is never null"):
        build(bench, identify("1", "2026-01-01 10:00", None))  # type: ignore[arg-type]
