"""Who may be contacted: one outcome for each person and channel, addresses in the file's form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engagement.audience.reach import Outcome, contacts, masked, summary
from engagement.audience.segments import Selection
from tests.audience.conftest import person

MakeSelection = Callable[..., Selection]


def outcomes(selection: Selection, unanswered: Any = "deny") -> list[tuple[str, str, str]]:
    return [(c.person_id, c.channel, c.outcome) for c in contacts(selection, unanswered)]


def test_an_address_and_consent_make_a_person_reachable(make_selection: MakeSelection) -> None:
    selection = make_selection(
        person("ann"),
        person("ben", email=None),
        person("cat", email="  "),
        person("dan", consent_email=False),
        person("eve", consent_email=None),
        person("fay", email="not an address"),
    )
    assert outcomes(selection) == [
        ("ann", "email", "reachable"),
        ("ben", "email", "no_address"),
        ("cat", "email", "no_address"),
        ("dan", "email", "refused"),
        ("eve", "email", "unanswered"),
        ("fay", "email", "bad_address"),
    ]


def test_who_never_answered_counts_as_the_parameters_say(make_selection: MakeSelection) -> None:
    selection = make_selection(
        person("ann", consent_email=None), person("ben", consent_email=False)
    )
    assert outcomes(selection, "deny") == [
        ("ann", "email", "unanswered"),
        ("ben", "email", "refused"),
    ]
    assert outcomes(selection, "allow") == [
        ("ann", "email", "reachable"),
        ("ben", "email", "refused"),
    ]


def test_each_channel_has_its_own_address_and_consent(make_selection: MakeSelection) -> None:
    selection = make_selection(
        person("ann", consent_sms=False),
        person("ben", email=None, phone="+1-202-555-0100"),
        channels=["sms", "email"],
    )
    assert outcomes(selection) == [
        ("ann", "sms", "refused"),
        ("ann", "email", "reachable"),
        ("ben", "sms", "reachable"),
        ("ben", "email", "no_address"),
    ]


def test_an_address_that_anybody_refused_is_used_for_nobody(
    make_selection: MakeSelection,
) -> None:
    """One mailbox, two profiles: a guest said no, an account said yes. The guest is not even in
    the segment.
    """
    selection = make_selection(
        person("ann", email="Ann@Shop.example"),
        person("guest", email="ann@shop.example", consent_email=False),
        person("ben", phone="+1 202 555 0100"),
        person("other", phone="+1-202-555-01-00", consent_sms=False),
        where="person_id in ('ann', 'ben')",
        channels=["email", "sms"],
    )
    assert outcomes(selection) == [
        ("ann", "email", "refused_elsewhere"),
        ("ann", "sms", "reachable"),
        ("ben", "email", "reachable"),
        ("ben", "sms", "refused_elsewhere"),
    ]


def test_no_address_is_used_twice(make_selection: MakeSelection) -> None:
    selection = make_selection(
        person("cat", email="one@shop.example"),
        person("ann", email="ONE@shop.example"),
        person("ben", email="one@shop.example"),
    )
    assert outcomes(selection) == [
        ("ann", "email", "reachable"),
        ("ben", "email", "same_address"),
        ("cat", "email", "same_address"),
    ]


def test_the_summary_counts_everybody_once_per_channel(make_selection: MakeSelection) -> None:
    selection = make_selection(
        person("ann"), person("ben", consent_email=False), channels=["email", "sms"]
    )
    table = summary(selection, contacts(selection, "deny"))
    assert table.groupby("channel")["people"].sum().to_dict() == {"email": 2, "sms": 2}
    counted = {(r.channel, r.outcome): r.people for r in table.itertuples() if r.people}
    assert counted == {
        ("email", "reachable"): 1,
        ("email", "refused"): 1,
        ("sms", "reachable"): 2,
    }
    assert len(table) == 2 * len(Outcome)


def test_a_segment_may_be_empty(make_selection: MakeSelection) -> None:
    selection = make_selection(person("ann"), where="false")
    assert contacts(selection, "deny") == []
    assert summary(selection, [])["people"].sum() == 0


@pytest.mark.parametrize(
    ("address", "shown"),
    [("ann.smith@shop.example", "a…@s….example"), ("+15550123", "+…23")],
)
def test_addresses_are_shown_masked(address: str, shown: str) -> None:
    assert masked(address) == shown
