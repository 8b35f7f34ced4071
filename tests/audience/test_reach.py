"""Who may be contacted: one outcome for each person and channel, addresses in the file's form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engagement.audience.reach import (
    AddressError,
    Outcome,
    contacts,
    email_address,
    masked,
    phone_number,
    summary,
)
from engagement.audience.segments import Selection
from tests.audience.conftest import person

MakeSelection = Callable[..., Selection]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+15550100", "+15550100"),
        ("+1-555-0100", "+15550100"),
        (" +1 (555) 010.0123 ", "+15550100123"),
        ("+49 (0)30 / 123 456", "+4930123456"),
        ("+44\u00a020\u20117946\u20110018", "+442079460018"),
        ("+123456789012345", "+123456789012345"),  # 15 digits, the most there are
    ],
)
def test_international_numbers_come_into_the_form_of_e164(text: str, expected: str) -> None:
    assert phone_number(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("555-0100", "does not start with"),
        ("0049 30 123456", "does not start with"),  # 00 is not dialled everywhere
        ("015550100", "does not start with"),
        ("", "does not start with"),
        ("+", "7 to 15 digits"),
        ("+123456", "7 to 15 digits"),
        ("+1234567890123456", "7 to 15 digits"),
        ("+0 30 123456", "7 to 15 digits"),  # no country code starts with 0
        ("+1 555 0100 ext. 5", "something other"),
        ("+1-800-FLOWERS", "something other"),
        ("++15550100", "something other"),
        ("+1555\n0100", "something other"),
        ("+١٥٥٥٠١٠٠", "something other"),  # digits, but not those
    ],
)
def test_other_numbers_are_refused_and_not_repeated(text: str, why: str) -> None:
    with pytest.raises(AddressError, match=why) as caught:
        phone_number(text)
    assert len(text) < 3 or text not in str(caught.value)


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True), st.data())
def test_separators_do_not_change_a_number(number: str, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(2, len(number)), max_size=4))
    written = number
    for cut in sorted(cuts, reverse=True):
        written = (
            written[:cut] + data.draw(st.sampled_from([" ", "-", ".", "/", " - "])) + written[cut:]
        )
    assert phone_number(written) == number


@pytest.mark.parametrize(
    "text",
    [
        "a@b.co",
        "First.Last+tag@sub.shop.example",
        "o'neil_1@shop-2.example",
        "x@xn--bcher-kva.example",
        "x@shop.xn--p1ai",
        "a" * 64 + "@b.co",
    ],
)
def test_mail_addresses_are_kept_as_they_are(text: str) -> None:
    assert email_address(f" {text} ") == text


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a@", "@b.co", "a@b", "a@@b.co", "a b@c.co", "a@b..co", ".a@b.co", "a.@b.co",
        "a..b@c.co", "a@-b.co", "a@b-.co", "a@b.c", "a@b.1x", "a@b.co\n", "a\t@b.co",
        "a@b.co,c@d.co", "Ann <a@b.co>", "ä@b.co", "a@bücher.example", '"a b"@c.co',
        "a@[127.0.0.1]", "a@1.2.3.4",
        "a" * 65 + "@b.co", "a@" + "b" * 250 + ".co",
    ],
)  # fmt: skip
def test_what_is_no_mail_address_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        email_address(text)


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
        person("ben", email=None, phone="+1-555-0100"),
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
        person("ben", phone="+1 555 0100"),
        person("other", phone="+1-555-01-00", consent_sms=False),
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
