"""What is shown of values, tried by somebody who wants to see people: invented ones only."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engagement.flatten import tracking_plan
from engagement.flatten.examples import (
    conflicts,
    discarded,
    outcomes,
    set_aside,
    with_examples,
)
from engagement.flatten.masking import mask, outline
from tests.flatten.conftest import Shop, event, folder, make_shop, shop  # noqa: F401 (fixtures)

# By the name of the property, whatever the value looks like.
NAMES = """
email userEmail user_email EMAIL_ADDRESS e-mail contactMail mailTo phone phoneNumber phonenumber
mobile tel fax whatsapp firstName first_name lastname surname fullName customerName nickname
recipient street streetAddress shipping_address city zip zipCode postalCode postcode country state
ip ipAddress client_ip userIP lat longitude geoLocation birthday dateOfBirth dob birthYear age
gender sex salary company jobTitle employer user_id userId uid customerId customer_number memberId
accountId anonymousId deviceId order_id orderId sessionId token accessToken password passwd_hash
secret apiKey iban cardNumber creditCard ssn passport vatNumber couponCode message comment comments
note notes body reviewBody answer feedback query searchTerm subject share_message description url
pageUrl href referrer referring_domain path user_agent_id gclid visitorIp names emails
Größe 名前 имя
""".split()

# By their shape, at a property whose name tells nothing.
VALUES = [
    "jane.doe@example.com",
    "Jane Doe <jane@example.com>",
    "jane%40example.com",
    "jane (at) example.com",
    "+49 30 1234567",
    "030/1234567",
    "(555) 010-9999",
    "5550109999",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "192.0.2.17",
    "192.0.2.17:8080",
    "2001:db8::8a2e:370:7334",
    "::1",
    "00:1b:44:11:3a:b7",
    "d9b2d63d-a233-4123-847a-7090c0a3b2f4",
    "D9B2D63DA2334123847A7090C0A3B2F4",
    "usr_8f3kz91q",
    "U10002345",
    "123456",
    "1700000000",
    "1700000000.5",
    "2001-02-03",
    "03.02.2001",
    "Jane Doe",
    "JANE DOE",
    "Doe, Jane",
    "Élodie Côté",
    "J. R. R. Doe",
    "12 Main Street",
    "10115 Berlin",
    "please call me back",
    "see you at five",
    "https://www.example.com/jane",
    "http:/example.com",
    "//example.com/jane",
    "/users/jane",
    "www.example.com/jane",
    "?name=jane",
    "mailto:jane",
    '{"a":1}',
    '["jane"]',
    " [1]",
    "Donaudampfschifffahrtsgesellschaftskapitaen",
    "line\nbreak",
    "hidden\u200bspace",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0",
]

SHOWN = {
    ("currency", "EUR"): "EUR",
    ("price", "12.5"): "12.5",
    ("price", "129,00"): "129,00",
    ("quantity", "3"): "3",
    ("quantity", "-3"): "-3",
    ("position", "0"): "0",
    ("newsletter", "true"): "true",
    ("plan", "free"): "free",
    ("payment_method", "credit_card"): "credit_card",
    ("context_locale", "en-US"): "en-US",
    ("category", "Apparel"): "Apparel",
    ("variant", "blue"): "blue",
    ("delivered_at", "2026-01-05 10:00:00.000"): "2026-01-…",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["blue", "7", "true"])
def test_a_name_that_may_be_a_persons_masks_any_value(name: str, value: str) -> None:
    shown = mask(name, value)
    assert shown.startswith("… ("), shown
    assert shown.endswith(")")
    assert value not in shown.replace("(", "").split()


@pytest.mark.parametrize("value", VALUES)
def test_a_shape_that_may_be_a_persons_is_masked_under_any_name(value: str) -> None:
    shown = mask("misc", value)
    assert shown.startswith("… ("), shown
    assert value not in shown
    assert mask("misc", value.strip()).startswith("… (")


@pytest.mark.parametrize(("given", "expected"), SHOWN.items())
def test_what_is_shown(given: tuple[str, str], expected: str) -> None:
    assert mask(*given) == expected


def test_an_outline_keeps_signs_alone() -> None:
    assert outline('{"userId":"Ü-77é","x":\u0663 名\n') == '{"aaaaaa":"a-00a","a":0 a\n'


def test_an_example_needs_ten_people(shop: Shop) -> None:  # noqa: F811
    shop.land(
        *(
            event(
                messageId=f"m{n}",
                anonymousId=f"a{n % 10}",
                userId="",
                properties={
                    "common": "red" if n < 11 else "blue",
                    "rare": "green" if n < 3 else None,
                    "amount": 5,
                    "ratio": 0.25,
                    "paid_at": "2026-01-05T10:00:00Z",
                    "email": "a@b.example",
                },
            )
            for n in range(12)
        )
    )
    shop.flatten()
    plan = tracking_plan(shop.warehouse, shop.settings)
    shown = with_examples(shop.warehouse, plan)
    assert dict(zip(shown["property"], shown["example"], strict=True)) == {
        "common": "red",
        "rare": "… (fewer than 10 people)",
        "amount": "5",
        "ratio": "0.25",
        "paid_at": "2026-01-…",
        "email": "… (e-mail)",
    }


def test_conflicts_and_what_became_of_records(make_shop: Callable[..., Shop]) -> None:  # noqa: F811
    shop = make_shop()  # noqa: F811
    shop.land(
        event(messageId="1", properties={"x": 1, "y": 1, "z": {"a": 1}}),
        event(messageId="2", properties={"x": "1", "y": 2.5, "z": None}),
        event(messageId="2", properties={"x": "1", "y": 2.5, "z": None}),
        event(messageId="3", properties={"x": True, "price": "jane@b.example"}),
        '{"userId":"u-77","x":',
        "[]",
        name=f"{folder()}/a.json",
    )
    shop.flatten()
    found = conflicts(shop.warehouse, shop.settings)
    assert list(found.itertuples(index=False, name=None)) == [
        ("events.seen", "x", "varchar", "boolean, number, string", 3)
    ]
    assert list(outcomes(shop.warehouse).itertuples(index=False, name=None)) == [
        ("arrived", 6, 1.0),
        ("kept as events", 3, 0.5),
        ("duplicates of an earlier delivery", 1, 0.1667),
        ("set aside: not_an_object", 1, 0.1667),
        ("set aside: not_json", 1, 0.1667),
    ]
    assert set_aside(shop.warehouse).iloc[:, 1:].values.tolist() == [
        [5, "not_json", '{"aaaaaa":"a-00","a":'],
        [6, "not_an_object", "[]"],
    ]
    assert discarded(shop.warehouse).values.tolist() == [["price", "not a double", 1, "… (e-mail)"]]
