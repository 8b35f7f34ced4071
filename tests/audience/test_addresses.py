"""Addresses: read by kept libraries, in the form that a file takes; refused without being told."""

from __future__ import annotations

import socket

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from engagement.audience.addresses import AddressError, email_address, phone_number


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("+12025550123", None, "+12025550123"),
        (" +1 (202) 555.0123 ", None, "+12025550123"),
        ("+49 (0)30 / 123 456", None, "+4930123456"),
        ("+44\u00a020\u20117946\u20110018", None, "+442079460018"),
        ("+\u0661\u0662\u0660\u0662\u0665\u0665\u0665\u0660\u0661\u0662\u0663", None,
         "+12025550123"),  # Arabic digits are digits
        # National numbers are those of the person's country, as it was sent.
        ("(202) 555-0123", "US", "+12025550123"),
        ("(202) 555-0123", " us ", "+12025550123"),
        ("030 123456", "DE", "+4930123456"),
        ("0049 30 123456", "DE", "+4930123456"),
        ("020 7946 0018", "GB", "+442079460018"),
        # An international number stays what it is, wherever the person lives.
        ("+44 20 7946 0018", "DE", "+442079460018"),
    ],
)  # fmt: skip
def test_numbers_come_into_the_form_of_e164(text: str, country: str | None, expected: str) -> None:
    assert phone_number(text, country) == expected


@pytest.mark.parametrize(
    ("text", "country", "why"),
    [
        ("(202) 555-0123", None, "country is not known"),
        ("030 123456", "Germany", "country is not known"),  # a name is no code
        ("030 123456", "ZZ", "country is not known"),
        ("", "US", "no telephone number"),
        ("+", None, "no telephone number|country code"),
        ("hello", "US", "no telephone number"),
        ("+0 30 123456", None, "country code"),  # no country code starts with 0
        ("+1-555-0100", None, "too short or too long"),  # dialled within one town only
        ("555-0100", "US", "too short or too long"),
        ("+12345", None, "too short or too long"),
        ("+1234567890123456789", None, "no telephone number|too short or too long"),
        ("+1 202 555 0123 ext. 5", None, "extension"),
    ],
)
def test_other_numbers_are_refused_and_not_repeated(
    text: str, country: str | None, why: str
) -> None:
    with pytest.raises(AddressError, match=why) as caught:
        phone_number(text, country)
    assert len(text) < 3 or text not in str(caught.value)


def test_a_number_of_the_right_length_may_lie_in_no_range_in_use() -> None:
    """555 is no area code of North America."""
    assert phone_number("+1 555 010 0023") == "+15550100023"
    assert phone_number("+1 202 555 0123", phones="valid") == "+12025550123"
    with pytest.raises(AddressError, match="no range"):
        phone_number("+1 555 010 0023", phones="valid")


@given(st.integers(2_000_000_000, 9_999_999_999), st.data())
def test_separators_do_not_change_a_number(digits: int, data: st.DataObject) -> None:
    number = f"+1{digits}"
    written = number
    cuts = data.draw(st.lists(st.integers(2, len(number) - 1), max_size=4, unique=True))
    for cut in sorted(cuts, reverse=True):
        sign = data.draw(st.sampled_from([" ", "-", ".", "/", " - "]))
        written = written[:cut] + sign + written[cut:]
    assert phone_number(written) == number


@given(st.text(max_size=40), st.sampled_from(["US", "DE", None, "x"]))
def test_no_text_breaks_the_reading_of_numbers(text: str, country: str | None) -> None:
    try:
        found = phone_number(text, country)
    except AddressError:
        return
    assert found.startswith("+") and found[1:].isdigit() and found.isascii()  # noqa: PT018


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@b.co", "a@b.co"),
        ("First.Last+tag@Sub.Shop.example", "First.Last+tag@sub.shop.example"),
        ("o'neil_1@shop-2.example", "o'neil_1@shop-2.example"),
        ("x@xn--bcher-kva.example", "x@xn--bcher-kva.example"),
        # A domain with other letters is written as machines write it.
        ("x@bücher.example", "x@xn--bcher-kva.example"),
        ("x@shop.рф", "x@shop.xn--p1ai"),
        ("a" * 64 + "@b.co", "a" * 64 + "@b.co"),
    ],
)
def test_mail_addresses_come_in_the_form_that_every_service_takes(text: str, expected: str) -> None:
    assert email_address(f" {text} ") == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a@", "@b.co", "a@b", "a@@b.co", "a b@c.co", "a@b..co", ".a@b.co", "a.@b.co",
        "a..b@c.co", "a@-b.co", "a@b-.co", "a@b.1", "a@b.co\n", "a\t@b.co",
        "a@b.co,c@d.co", "Ann <a@b.co>", "ä@b.co", '"a b"@c.co',
        "a@[127.0.0.1]", "a@1.2.3.4", "a@localhost", "a@printer.local",
        "a" * 65 + "@b.co", "a@" + "b" * 250 + ".co",
    ],
)  # fmt: skip
def test_what_is_no_mail_address_is_refused(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        email_address(text)
    assert len(text) < 3 or text not in str(caught.value)


@given(st.text(max_size=60) | st.emails())
def test_no_text_breaks_the_reading_of_mail_addresses(text: str) -> None:
    try:
        found = email_address(text)
    except AddressError:
        return
    assert found.isascii() and "@" in found  # noqa: PT018


@given(st.text(max_size=20) | st.emails() | st.from_regex(r"[a-z.\"<@ \\]{0,8}@[a-zä.-]{1,9}"))
def test_an_address_is_what_the_library_makes_of_the_whole(text: str) -> None:
    """Though its two parts are asked for apart, since domains recur."""
    try:
        whole = validate_email(text.strip(" "), check_deliverability=False).ascii_email
    except (EmailNotValidError, UnicodeError):
        whole = None
    try:
        ours = email_address(text)
    except AddressError:
        ours = None
    assert ours == whole


def test_nothing_asks_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert email_address("x@bücher.example") == "x@xn--bcher-kva.example"
    assert phone_number("+12025550123") == "+12025550123"
