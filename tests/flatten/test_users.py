"""``events.users``: the latest of each trait, whoever is looked up again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engagement.flatten.users import IDENTIFIES
from engagement.warehouse.statements import StatementLog
from tests.flatten.conftest import Shop, event, folder, of_whole_runs

DAYS = tuple(f"2026-01-{day:02}" for day in range(5, 11))
USERS = "select id, tier, city from events.users order by id"


def identify(day: str, user: str, hour: int = 12, **traits: Any) -> dict[str, Any]:
    """An event that tells traits of a user; its id is its day, hour and user."""
    moment = f"{day}T{hour:02}:00:00Z"
    return event(
        messageId=f"{moment} {user}",
        type="identify",
        userId=user,
        receivedAt=moment,
        timestamp=moment,
        traits=traits,
    )


def land(shop: Shop, day: str, *events: dict[str, Any]) -> None:
    """Let a day have one file, of these events."""
    shop.land(*events, name=f"{folder(day)}/a.json")


def took_in(shop: Shop) -> int:
    """Flatten; gives how many rows of users were made for it."""
    shop.warehouse.log = StatementLog()
    shop.flatten()
    return sum(s.rows for s in shop.warehouse.log.statements if s.label == "events.users")


def test_users_have_the_latest_value_of_each_trait_that_is_no_blank(shop: Shop) -> None:
    def said(number: int, hour: int, traits: dict[str, Any], user: str = "u1") -> dict[str, Any]:
        return event(
            messageId=f"{number}",
            type="identify",
            userId=user,
            anonymousId=f"a{number}",
            receivedAt=f"2026-01-05T{hour:02}:00:00Z",
            traits=traits,
        )

    shop.land(
        said(1, 10, {"tier": "gold", "age": 40}),
        said(2, 12, {"tier": "", "age": None, "city": "Bonn"}),
        said(3, 11, {"tier": "silver", "age": 39}),
        # Received at the same moment: the greater id is the later one.
        said(5, 12, {"city": "Köln"}),
        said(6, 9, {"tier": "free"}, user="u2"),
        said(7, 9, {"tier": "nobody"}, user=""),
    )
    shop.flatten()
    assert shop.rows("select id, tier, age, city, anonymous_id from events.users order by id") == [
        ("u1", "silver", 39, "Köln", "a5"),
        ("u2", "free", None, None, "a6"),
    ]
    assert "user_id" not in shop.columns("events.users")


def history(shop: Shop) -> None:
    """Four days, on which u1 and u2 say something, and u3 on the last alone."""
    land(shop, DAYS[0], identify(DAYS[0], "u1", tier="free", city="Bonn"))
    land(shop, DAYS[1], identify(DAYS[1], "u2", tier="free", city="Köln"))
    land(shop, DAYS[2], identify(DAYS[2], "u1", tier="gold"))
    land(shop, DAYS[3], identify(DAYS[3], "u3", tier="free", city="Bonn"))
    assert took_in(shop) == 3


def test_a_day_looks_up_those_who_said_something_on_it(shop: Shop) -> None:
    history(shop)
    land(shop, DAYS[4], identify(DAYS[4], "u2", city="Trier"), identify(DAYS[4], "", tier="none"))
    assert took_in(shop) == 1
    assert shop.rows(USERS) == [
        ("u1", "gold", "Bonn"),
        ("u2", "free", "Trier"),
        ("u3", "free", "Bonn"),
    ]
    # Nothing is said by anybody.
    land(shop, DAYS[5], event(receivedAt=f"{DAYS[5]}T12:00:00Z"))
    assert took_in(shop) == 0


def test_who_said_something_before_a_day_was_corrected_is_looked_up_too(shop: Shop) -> None:
    history(shop)
    land(shop, DAYS[0], identify(DAYS[0], "u4", tier="free"))
    assert took_in(shop) == 2
    assert shop.rows(USERS) == [
        ("u1", "gold", None),
        ("u2", "free", "Köln"),
        ("u3", "free", "Bonn"),
        ("u4", "free", None),
    ]


def test_who_said_something_on_a_day_alone_goes_with_it(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop(landing__gone="remove")
    history(shop)
    (shop.landing / folder(DAYS[3]) / "a.json").unlink()
    assert took_in(shop) == 0
    assert shop.rows(USERS) == [("u1", "gold", "Bonn"), ("u2", "free", "Köln")]


def test_with_most_days_everybody_is_looked_up(shop: Shop) -> None:
    history(shop)
    for day in DAYS[:3]:
        land(shop, day, identify(day, "u1", tier="gold"))
    assert took_in(shop) == 2
    assert shop.rows(USERS) == [("u1", "gold", None), ("u3", "free", "Bonn")]


def test_a_new_trait_is_a_column_for_everybody(shop: Shop) -> None:
    history(shop)
    land(shop, DAYS[4], identify(DAYS[4], "u2", age=40))
    assert took_in(shop) == 3
    assert shop.rows("select id, age from events.users order by id") == [
        ("u1", None),
        ("u2", 40),
        ("u3", None),
    ]


def test_after_somebody_elses_change_everybody_is_looked_up(shop: Shop) -> None:
    history(shop)
    with shop.warehouse.session(write=True) as session:
        # As erasing does it.
        session.work("left", f"select * from {IDENTIFIES} where city is null or city <> 'Bonn'")
        session.publish(IDENTIFIES, "select * from work.left")
    land(shop, DAYS[4], identify(DAYS[4], "u2", city="Trier"))
    assert took_in(shop) == 2
    assert shop.rows(USERS) == [("u1", "gold", None), ("u2", "free", "Trier")]


said = st.tuples(
    st.sampled_from(["u1", "u2", "u3", "u4", ""]),
    st.integers(0, 2),
    st.dictionaries(st.sampled_from(["tier", "city"]), st.sampled_from(["a", "b", ""])),
)
steps = st.lists(
    st.tuples(st.sampled_from(DAYS), st.lists(said, max_size=3)), min_size=1, max_size=5
)


@of_whole_runs(12)
@given(steps)
def test_whatever_changes_users_are_those_of_one_run(
    changes: list[tuple[str, list[tuple[str, int, dict[str, str]]]]],
) -> None:
    with tempfile.TemporaryDirectory() as home:
        often, once = (Shop(Path(home) / name, landing__gone="remove") for name in "ab")
        for day in DAYS:
            for shop in (often, once):
                land(shop, day, identify(day, "u1", tier="a", city="b"))
        often.flatten()
        for day, people in changes:
            for shop in (often, once):
                land(shop, day, *(identify(day, who, hour, **how) for who, hour, how in people))
            often.flatten()
        once.flatten()
        every = "select * from events.users order by id"
        assert often.rows(every) == once.rows(every)
        assert often.columns("events.users") == once.columns("events.users")


def test_traits_of_an_identify_come_after_those_of_its_context(shop: Shop) -> None:
    """Of one name, userProperties give way to context.traits, and these to traits."""
    properties = {"email": "first@example.org", "plan": "gold", "city": "Ulm"}
    stale = {"email": "old@example.org", "plan": "free", "consent": {"email": True}}
    told = {"email": "new@example.org", "plan": "", "consent": {"email": False}}
    shop.land(
        event(
            messageId="1",
            type="identify",
            userId="u1",
            userProperties=properties,
            context={"traits": stale},
            traits=told,
        ),
        event(messageId="2", type="identify", userId="u2", traits={"email": "only@example.org"}),
    )
    shop.flatten()
    right = [
        ("u1", "new@example.org", "free", "Ulm", False),
        ("u2", "only@example.org", None, None, None),
    ]
    columns = "email, plan, city, consent_email"
    assert shop.rows(f"select user_id, {columns} from events.identifies order by 1") == right
    assert shop.rows(f"select id, {columns} from events.users order by 1") == right
    # What the context said stays in the columns of the context.
    assert shop.rows(
        "select context_traits_email, context_traits_consent_email from events.identifies "
        "where user_id = 'u1'"
    ) == [("old@example.org", True)]
