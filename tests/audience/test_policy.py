"""What decides who is contacted besides the person: topics, lists, priority, caps, hours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engagement.as_of import whole_day
from engagement.audience.errors import AudienceError
from engagement.audience.hours import contact_hours, zone_or
from engagement.audience.members import Members, members
from engagement.audience.people import person_id
from engagement.audience.segments import Segment
from engagement.settings import Settings, SettingsError
from engagement.settings.audience import QuietHours
from engagement.warehouse import Table, Warehouse, open_warehouse
from tests.audience.conftest import AS_OF, COLUMNS, person
from tests.values import values_query

MakeSettings = Callable[..., Settings]
Row = dict[str, Any]


def shop(settings: Settings, *rows: Row) -> Warehouse:
    warehouse = open_warehouse(settings)
    content = [[row.get(name) for name in COLUMNS] for row in rows]
    with warehouse.session(write=True) as session:
        session.publish(Table("marts", "customer_360"), values_query(COLUMNS, content))
    return warehouse


def segment(name: str = "some", **more: Any) -> Segment:
    keys = {"name": name, "description": "S.", "channels": ["email"], "where": "true"}
    return Segment.model_validate({**keys, **more})


def found(warehouse: Warehouse, settings: Settings, one: Segment) -> Members:
    return members(warehouse, settings, one, whole_day(AS_OF, settings.timezone))


def outcomes(warehouse: Warehouse, settings: Settings, one: Segment) -> list[tuple[str, str]]:
    contacts = found(warehouse, settings, one).contacts()
    return [(c.person_id, str(c.outcome)) for c in contacts]


def publish(warehouse: Warehouse, name: str, columns: Row, rows: Sequence[Sequence[Any]]) -> None:
    with warehouse.session(write=True) as session:
        session.publish(Table.parse(name), values_query(columns, rows))


# --- topics ---------------------------------------------------------------------------------------


def test_a_topic_needs_consent_of_its_own(make_settings: MakeSettings) -> None:
    """The latest answer counts, by the words of consent; one that cannot be read means no. Eve's
    answer came after the as-of day, and Fay refused mail at all.
    """
    settings = make_settings(audience__topics={"offers": "wants_offers"})
    names = ("ann", "ben", "cat", "dan", "eve", "fay")
    refused = {"fay": {"consent_email": False}}
    warehouse = shop(settings, *(person(one, **refused.get(one, {})) for one in names))
    answers = [
        ("1", "ann", "No", 1), ("2", "ann", " YES ", 2), ("3", "ben", "yes", 1),
        ("4", "ben", "unsubscribed", 2), ("5", "cat", "perhaps", 1), ("6", "eve", "yes", 40),
        ("7", "fay", "yes", 1), ("8", "dan", "  ", 1),
    ]  # fmt: skip
    day = "2026-01-{:02d} 12:00:00"
    moments = [day.format(n) if n < 32 else "2026-02-05 12:00:00" for *_, n in answers]
    publish(
        warehouse,
        "events.identifies",
        {"id": "varchar", "received_at_utc_date": "varchar", "received_at": "timestamp(3)",
         "wants_offers": "varchar"},
        [[id_, "d", _at(at), text] for (id_, _, text, _), at in zip(answers, moments, strict=True)],
    )  # fmt: skip
    publish(
        warehouse,
        "marts.person_events",
        {"id": "varchar", "received_at_utc_date": "varchar", "person_id": "varchar",
         "timestamp": "timestamp(3)", "received_at": "timestamp(3)"},
        [[id_, "d", who, _at(at), _at(at)]
         for (id_, who, *_), at in zip(answers, moments, strict=True)],
    )  # fmt: skip
    on_topic = segment(topic="offers")
    assert outcomes(warehouse, settings, on_topic) == [
        ("ann", "reachable"),
        ("ben", "topic_refused"),
        ("cat", "topic_refused"),
        ("dan", "topic_unanswered"),
        ("eve", "topic_unanswered"),
        ("fay", "refused"),
    ]
    allowed = make_settings(
        audience__topics={"offers": "wants_offers"}, consent__unanswered="allow"
    )
    assert ("dan", "reachable") in outcomes(warehouse, allowed, on_topic)


def _at(text: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text)


@pytest.mark.parametrize("unanswered", ["allow", "deny"])
@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"id": "varchar", "wants_offers": "varchar"},
         ("no identify event had the trait 'wants_ofers', and the tracking plan has none; did you "
         "mean 'wants_offers'?")),
        ({"id": "varchar"}, "no identify event had the trait 'wants_ofers', and"),
        (None, "no identify event had the trait 'wants_ofers', and"),
        ({"wants_ofers": "timestamp(3)"},
         ("the trait 'wants_ofers' is timestamp(3), and no answer is: an answer is a text, a truth "
         "value or a number")),
    ],
)  # fmt: skip
def test_a_topic_that_nobody_could_have_answered_is_reported(
    make_settings: MakeSettings, columns: Row | None, why: str, unanswered: str
) -> None:
    """Not taken for a topic on which nobody has answered: with ``allow``, everybody would be
    contacted.
    """
    settings = make_settings(
        audience__topics={"offers": "wants_ofers"}, consent__unanswered=unanswered
    )
    warehouse = shop(settings, person("ann"))
    if columns is not None:
        publish(warehouse, "events.identifies", columns, [])
    with pytest.raises(AudienceError) as caught:
        found(warehouse, settings, segment(topic="offers"))
    assert f"audience.topics.offers: {why}" in str(caught.value)


def test_a_topic_of_the_tracking_plan_may_have_no_answers_yet(make_settings: MakeSettings) -> None:
    settings = make_settings(
        audience__topics={"offers": "wants_offers"},
        tracking_plan={"identifies": {"Wants Offers": {}}},
    )
    warehouse = shop(settings, person("ann"))
    publish(warehouse, "events.identifies", {"id": "varchar"}, [])
    assert outcomes(warehouse, settings, segment(topic="offers")) == [("ann", "topic_unanswered")]


def test_a_topic_that_the_parameters_lack_is_told_with_the_nearest(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings(audience__topics={"offers": "wants_offers"})
    with pytest.raises(AudienceError, match="has no 'offer'; did you mean 'offers'"):
        found(shop(settings, person("ann")), settings, segment(topic="offer"))


# --- the suppression list -------------------------------------------------------------------------


def test_nobody_on_a_suppression_list_is_contacted(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """By address in whatever form, by person or by user; from a file and from a table."""
    file = tmp_path / "do_not.csv"
    file.write_text(
        'email,phone,user_id\nANN@Shop.example,,\n,"(202) 555-0199",\n,,user-7\n\n',
        encoding="utf-8-sig",
    )
    settings = make_settings(audience__suppression=[str(file), "marts.do_not_contact"])
    warehouse = shop(
        settings,
        person("ann"),
        person("ben", phone="+1 202 555 0199"),
        person("cat", user_id="user-7"),
        person("dan"),
        person("eve"),
    )
    publish(warehouse, "marts.do_not_contact", {"person_id": "varchar"}, [["dan"], [None]])
    assert outcomes(warehouse, settings, segment()) == [
        ("ann", "suppressed"),
        ("ben", "reachable"),  # a number without a country is nobody's
        ("cat", "suppressed"),
        ("dan", "suppressed"),
        ("eve", "reachable"),
    ]
    file.write_text("phone,country\n(202) 555-0199,US\n", encoding="utf-8")
    by_phone = segment(channels=["sms"], where="person_id = 'ben'")
    assert outcomes(warehouse, settings, by_phone) == [("ben", "suppressed")]


def test_an_id_on_a_list_means_the_person_whoever_that_is_by_now(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """Ann was u-new and d-new before she turned out to be d-old, too. Ben has had a second user id
    since. Cat was d-till, until Dan and Eve signed in at that till as well. Fay is on no list.
    """
    file = tmp_path / "do_not.csv"
    listed = [("person_id", "anonymous_id", "d-new"), ("person_id", "anonymous_id", "d-till")]
    lines = [f"{person_id(kind, one)},\n" for _, kind, one in listed]
    file.write_text(f"person_id,user_id\n{''.join(lines)},ben-first\n,cid\n", encoding="utf-8")
    settings = make_settings(audience__suppression=[str(file)])
    now = {
        "ann": person_id("anonymous_id", "d-old"),
        "ben": person_id("user_id", "ben-first"),
        "cat": person_id("user_id", "cat"),
        "dan": person_id("user_id", "dan"),
        "fay": person_id("user_id", "fay"),
    }
    users = {"ann": "u-new", "ben": "ben-second", "cat": "cat", "dan": "dan", "fay": "fay"}
    warehouse = shop(settings, *(
        person(name, person_id=id_, user_id=users[name]) for name, id_ in now.items()
    ))  # fmt: skip
    till = person_id("anonymous_id", "d-till")
    publish(
        warehouse,
        "marts.identity_map",
        {"id_type": "varchar", "id": "varchar", "person_id": "varchar",
         "is_shared_device": "boolean"},
        [
            ["anonymous_id", "d-old", now["ann"], False],
            ["anonymous_id", "d-new", now["ann"], False],
            ["user_id", "u-new", now["ann"], False],
            ["user_id", "ben-first", now["ben"], False],
            ["user_id", "ben-second", now["ben"], False],
            ["user_id", "cat", now["cat"], False],
            ["user_id", "dan", now["dan"], False],
            ["anonymous_id", "d-till", till, True],
            ["user_id", "fay", now["fay"], False],
            # A device is no user, though somebody's list has a user id like it.
            ["anonymous_id", "cid", now["fay"], False],
        ],
    )  # fmt: skip
    first, later = _at("2026-01-02 00:00"), _at("2026-01-03 00:00")
    publish(
        warehouse,
        "marts.identity_links",
        {"id_type": "varchar", "id": "varchar", "user_id": "varchar",
         "first_received_at": "timestamp(3)"},
        [
            ["anonymous_id", "d-till", "dan", later],
            ["anonymous_id", "d-till", "cat", first],
        ],
    )  # fmt: skip
    decided = dict(outcomes(warehouse, settings, segment()))
    assert {name: decided[id_] for name, id_ in now.items()} == {
        "ann": "suppressed",
        "ben": "suppressed",
        "cat": "suppressed",
        "dan": "reachable",
        "fay": "reachable",
    }


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{folder}/none.csv", "cannot be read"),
        ("{folder}/wrong.csv", "none of the columns email, phone, person_id and user_id"),
        ("{folder}/binary.csv", "no CSV in UTF-8"),
        ("marts.customer_36", "there is no table marts.customer_36; did you mean"),
    ],
)
def test_a_list_that_cannot_be_used_stops_the_export(
    make_settings: MakeSettings, tmp_path: Path, source: str, why: str
) -> None:
    (tmp_path / "wrong.csv").write_text("mail\nplanted@shop.example\n", encoding="utf-8")
    (tmp_path / "binary.csv").write_bytes(b"email\n\xff\xfe\n")
    settings = make_settings(audience__suppression=[source.format(folder=tmp_path)])
    with pytest.raises(AudienceError) as caught:
        found(shop(settings, person("ann")), settings, segment())
    assert why in str(caught.value)
    assert "planted" not in str(caught.value)


# --- priority -------------------------------------------------------------------------------------


def test_a_person_in_several_segments_gets_the_first_message_that_fits(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """Ann is in all three. Ben is in the first, which goes by text message, and cannot be reached
    by it: so the second has him. Cat is in the last only. Dan is held back by the first.
    """
    for name, people, more in (
        ("first", "('ann', 'ben', 'dan')", "channels: [sms]\n"),
        ("second", "('ann', 'ben')", "channels: [email]\n"),
        ("last", "('ann', 'ben', 'cat', 'dan')", "channels: [email]\n"),
    ):
        text = f"name: {name}\ndescription: S.\n{more}where: person_id in {people}\n"
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    settings = make_settings(
        audience__segment=str(tmp_path / "last.yaml"),
        audience__priority=["first", "second", "last"],
    )
    rows = [person("ann"), person("ben", consent_sms=False), person("cat"), person("dan")]
    warehouse = shop(settings, *rows)
    from engagement.audience.segments import load

    def of(name: str) -> dict[str, str]:
        one = load(tmp_path / f"{name}.yaml")
        return dict(outcomes(warehouse, settings, one))

    assert of("first") == {"ann": "reachable", "ben": "refused", "dan": "reachable"}
    assert of("second") == {"ann": "other_segment", "ben": "reachable"}
    assert of("last") == {
        "ann": "other_segment",
        "ben": "other_segment",
        "cat": "reachable",
        "dan": "other_segment",
    }
    # A segment that is not on the list is nobody's rival.
    assert set(outcomes(warehouse, settings, segment())) == {
        (name, "reachable") for name in ("ann", "ben", "cat", "dan")
    }
    missing = make_settings(
        audience__segment=str(tmp_path / "last.yaml"), audience__priority=["frist", "last"]
    )
    with pytest.raises(AudienceError, match="no segment 'frist'; did you mean 'first'"):
        outcomes(warehouse, missing, load(tmp_path / "last.yaml"))


# --- who is held back -----------------------------------------------------------------------------


def test_only_who_would_be_contacted_is_held_back(make_settings: MakeSettings) -> None:
    settings = make_settings()
    rows = [person(f"p{n:02d}", consent_email=n % 2 == 0) for n in range(60)]
    warehouse = shop(settings, *rows)
    decided = outcomes(warehouse, settings, segment(holdout=0.5))
    kinds = {
        name: {o for p, o in decided if (int(p[1:]) % 2 == 0) == name} for name in (True, False)
    }
    assert kinds == {True: {"reachable", "held_back"}, False: {"refused"}}
    again = outcomes(warehouse, settings, segment(holdout=0.5))
    assert again == decided


# --- hours ----------------------------------------------------------------------------------------


def test_nobody_is_contacted_in_the_quiet_hours_of_their_own_zone() -> None:
    """From 8 to 21 o'clock: in Berlin the clocks went back that morning, in New York not yet."""
    day, quiet = date(2026, 10, 25), QuietHours()
    assert contact_hours("Europe/Berlin", day, quiet) == ("2026-10-25T07:00Z", "2026-10-25T20:00Z")
    assert contact_hours("America/New_York", day, quiet) == (
        "2026-10-25T12:00Z", "2026-10-26T01:00Z",
    )  # fmt: skip
    at_noon = QuietHours(start="12:00", end="14:00")
    assert contact_hours("UTC", day, at_noon) == ("2026-10-25T14:00Z", "2026-10-26T12:00Z")


@pytest.mark.parametrize("text", [None, "", "Mars/Base", "../../etc/passwd", "Europe", "utc+1"])
def test_a_zone_that_is_none_is_the_shop_s(text: str | None) -> None:
    assert zone_or(text, "Europe/Berlin") == "Europe/Berlin"


def test_the_hours_are_columns_of_the_members(make_settings: MakeSettings) -> None:
    settings = make_settings(audience__quiet_hours={"start": "20:00"}, timezone="Europe/Paris")
    warehouse = shop(settings, person("ann"), person("ben"))
    columns = {"person_id": "varchar", "id": "varchar", "received_at_utc_date": "varchar",
               "timezone": "varchar", "is_server": "boolean", "timestamp": "timestamp(3)",
               "received_at": "timestamp(3)"}  # fmt: skip
    first, last = _at("2026-01-02 00:00"), _at("2026-01-03 00:00")
    publish(warehouse, "marts.session_events", columns, [
        ["ann", "1", "d", "Europe/Berlin", False, first, first],
        ["ann", "2", "d", "Asia/Tokyo", False, last, first],
        ["ann", "3", "d", None, False, last, last],
        ["ann", "4", "d", "America/New_York", True, last, last],
        ["ben", "5", "d", "nowhere", False, last, last],
    ])  # fmt: skip
    (page,) = found(warehouse, settings, segment()).pages()
    rows = page[["person_id", "time_zone", "contact_from_utc", "contact_until_utc"]]
    assert rows.to_numpy().tolist() == [
        ["ann", "Asia/Tokyo", "2026-01-31T23:00Z", "2026-02-01T11:00Z"],
        ["ben", "Europe/Paris", "2026-02-01T07:00Z", "2026-02-01T19:00Z"],
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"audience.quiet_hours": {"start": "25:00"}},
        {"audience.cap": {"messages": 0}},
        {"audience.priority": ["a", "a"]},
        {"audience.topics": {"Bad Name": "x"}},
        {"audience.phones": "maybe"},
        {"audience.measure": {"confidence": 1}},
    ],
)
def test_parameters_that_cannot_be_used_are_refused(
    make_settings: MakeSettings, wrong: Row
) -> None:
    with pytest.raises(SettingsError):
        make_settings(**wrong)


# --- pages ----------------------------------------------------------------------------------------


def test_pages_come_in_the_order_of_people_whatever_their_size(make_settings: MakeSettings) -> None:
    settings = make_settings()
    names = [f"p{n}" for n in (3, 1, 10, 2, 7)]
    warehouse = shop(settings, *(person(one, email="one@shop.example") for one in names))
    one = found(warehouse, settings, segment())
    whole = [tuple(row) for page in one.pages() for row in page.to_numpy(dtype=str)]
    for rows in (1, 2, 5, 6):
        pages = list(one.pages(rows))
        assert max(len(page) for page in pages) <= rows
        assert [tuple(row) for page in pages for row in page.to_numpy(dtype=str)] == whole
    assert [row[0] for row in whole] == sorted(names)
    assert one.sql.startswith("SELECT")
    assert list(found(warehouse, settings, segment(where="false")).pages()) == []


def test_only_addresses_that_may_be_used_are_among_those_reached(
    make_settings: MakeSettings,
) -> None:
    """Ann refused text messages, Ben mail; Cat refused both; Dan's channel is mail, too."""
    settings = make_settings()
    warehouse = shop(
        settings,
        person("ann", phone="+12025550141", consent_sms=False),
        person("ben", phone="(202) 555-0142", country="US", consent_email=False),
        person("cat", consent_email=False, consent_sms=False),
        person("dan", phone="none"),
    )
    both = found(warehouse, settings, segment(channels=["email", "sms"]))
    (page,) = both.reached()
    rows = page[["person_id", "email", "phone"]]
    assert [[None if v != v else v for v in row] for row in rows.to_numpy().tolist()] == [
        ["ann", "ann@shop.example", None],
        ["ben", None, "+12025550142"],
        ["dan", "dan@shop.example", None],
    ]
    (page,) = found(warehouse, settings, segment()).reached()
    assert page["phone"].isna().all()
    assert list(page["person_id"]) == ["ann", "dan"]


def test_every_exclusion_is_counted(make_settings: MakeSettings) -> None:
    settings = make_settings()
    warehouse = shop(
        settings, person("ann"), person("ben", consent_email=False), person("cat", email="x")
    )
    table = found(warehouse, settings, segment()).summary()
    assert table["people"].sum() == 3
    assert {r.outcome: r.people for r in table.itertuples() if r.people} == {
        "reachable": 1, "refused": 1, "bad_address": 1,
    }  # fmt: skip


def test_planted_addresses_are_in_no_log_statement_or_message(
    make_settings: MakeSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They are in the pages, which exports are made of, and in the column that the table has."""
    file = tmp_path / "listed.csv"
    file.write_text("email,phone\nplanted.three@shop.example,+12025550143\n", encoding="utf-8")
    settings = make_settings(audience__suppression=[str(file)])
    warehouse = shop(
        settings,
        person("ann", email="planted.one@shop.example", phone="+12025550141"),
        person("ben", email="planted.two@@shop.example", phone="+1 202 555 0142 ext. 9"),
        person("cat", email="planted.three@shop.example", phone="+12025550143"),
        person("dan", email="planted.four@shop.example", consent_email=False),
    )
    warehouse.log.statements.clear()  # the shop itself is made of values
    with caplog.at_level(logging.DEBUG):
        one = found(warehouse, settings, segment(channels=["email", "sms"]))
        summary = one.summary().to_csv()
        details = [f"{c.detail} {c!r}" for c in one.contacts()]
    statements = [s.sql + s.label for s in warehouse.log.statements]
    said = "\n".join([caplog.text, summary, *details, *statements, one.sql, repr(one)])
    assert "planted" not in said
    assert "0255501" not in said
