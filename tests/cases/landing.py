"""A landing of small cases, each of which once came out wrong.

Every case has people, devices and orders of its own, so that all of them share one landing: the
tests of this folder state what must come of it on DuckDB, and the conformance suite takes the same
files through Athena and compares every table.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

Event = dict[str, Any]

BROWSER = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/128.0.0.0 Safari/537.36"
)
SHOP = "https://shop.example"
DAY = "2026-09-02"

ANSWERS: dict[str, tuple[Any, bool | None]] = {
    "unsubscribed": ("unsubscribed", False),
    "off": ("off", False),
    "n": ("N", False),
    "false-blank": ("false ", False),
    "opted-out": ("opted_out", False),
    "did-not": ("did_not_subscribe", False),
    "zero-text": ("0", False),
    "no": ("No", False),
    "boolean": (False, False),
    "zero": (0, False),
    "zero-double": (0.0, False),
    "half": (0.5, False),
    "list": (["yes"], False),
    "blank": ("  ", True),
    "empty": ("", True),
    "null": (None, True),
    "opt-in": (" Opt-In ", True),
    "granted": ("GRANTED", True),
    "one": (1, True),
}
"""A second answer after a first yes, and what then holds: silence keeps the yes."""

AGENTS: dict[str, tuple[str, bool]] = {
    "cubot": (
        (
            "Mozilla/5.0 (Linux; Android 9; CUBOT_P30) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/99.0.4844.58 Mobile Safari/537.36"
        ),
        False,
    ),
    "m-bot-60": (
        (
            "Mozilla/5.0 (Linux; Android 7.0; M bot 60 Build/NRD90M; wv) AppleWebKit/537.36 "
            "(KHTML, like Gecko) Version/4.0 Chrome/70.0.3538.80 Mobile Safari/537.36"
        ),
        False,
    ),
    "ruby-phone": (
        (
            "Mozilla/5.0 (Linux; Android 4.4.2; ForwardRuby Build/KOT49H) AppleWebKit/537.36 "
            "(KHTML, like Gecko) Chrome/52.0.2743.98 Mobile Safari/537.36"
        ),
        False,
    ),
    "googlebot": (
        (
            "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 "
            "(KHTML, like Gecko) Chrome/115.0.5790.170 Mobile Safari/537.36 (compatible; "
            "Googlebot/2.1; +http://www.google.com/bot.html)"
        ),
        True,
    ),
    "lighthouse": (
        (
            "Mozilla/5.0 (Linux; Android 11; moto g power (2022)) AppleWebKit/537.36 (KHTML, like "
            "Gecko) Chrome/119.0.0.0 Mobile Safari/537.36 Chrome-Lighthouse"
        ),
        True,
    ),
}


def event(device: str | None, at: str, kind: str = "track", **keys: Any) -> Event:
    """An event of a device at a time (``10:05``, or with a date before it).

    ``session``, ``traits``, ``campaign`` and ``agent`` go into its context.
    """
    date, _, clock = at.rpartition(" ")
    time = f"{date or DAY}T{clock if clock.count(':') == 2 else clock + ':00'}.000Z"
    context: Event = {"userAgent": keys.pop("agent", BROWSER)}
    for key, name in (("session", "sessionId"), ("traits", "traits"), ("campaign", "campaign")):
        if key in keys:
            context[name] = keys.pop(key)
    whole: Event = {
        "type": kind,
        "channel": "web",
        "originalTimestamp": time,
        "sentAt": time,
        "timestamp": time,
        "receivedAt": time,
        "context": context | keys.pop("context", {}),
        **keys,
    }
    return whole | ({"anonymousId": device} if device else {})


def page(device: str, at: str, path: str = "/", referrer: str | None = None, **keys: Any) -> Event:
    """A page of the shop, as the browser's SDK sends it."""
    bare, question, query = path.partition("?")
    seen: Event = {"url": SHOP + path, "path": bare, "search": question + query}
    if referrer:
        seen["referrer"] = referrer
    more = {"context": {"page": seen}}
    return event(device, at, "page", name="Page", properties=seen, **more, **keys)


def order(device: str | None, at: str, order_id: str, total: Any = 30, **keys: Any) -> Event:
    """A completed order; keys that an event has go there, all others are properties."""
    of_event = {
        k: keys.pop(k) for k in ("session", "userId", "channel", "campaign", "agent") if k in keys
    }
    properties = {"order_id": order_id, "total": total, "currency": "USD", **keys}
    return event(device, at, event="Order Completed", properties=properties, **of_event)


def _consent() -> Iterator[Event]:
    for name, (answer, _) in ANSWERS.items():
        device, user = f"consent-{name}", f"u-consent-{name}"
        for at, said in (("10:00", True), ("11:00", answer)):
            traits = {"email": f"{name}@example.org", "consent": {"email": said}}
            yield event(device, at, "identify", userId=user, traits=traits)


def _traits() -> Iterator[Event]:
    stale = {"email": "old@example.org", "plan": "free", "consent": {"email": True}}
    fresh = {"email": "new@example.org", "plan": "", "consent": {"email": False}}
    yield event("traits", "10:00", "identify", userId="u-traits", traits=stale) | {"traits": fresh}
    yield event("traits-2", "10:01", "identify", userId="u-traits-2") | {
        "traits": {"email": "only@example.org"}
    }


def _keys() -> Iterator[Event]:
    pairs = [
        {"email": "", "Email": "one@example.org"},
        {"email": "first@example.org", "Email": "last@example.org"},
        {"Email": "first@example.org", "email": "last@example.org"},
        {"Email": "first@example.org", "email": ""},
    ]
    for number, traits in enumerate(pairs, start=1):
        user = f"u-keys-{number}"
        yield event(f"keys-{number}", f"10:0{number}", "identify", userId=user, traits=traits)
    for number, properties in enumerate(
        [{"Osv": "8", "osv": "9"}, {"osv": "9", "Osv": "8"}, {"osv": "9", "OSV": ""}], start=1
    ):
        yield event(f"bid-{number}", f"10:1{number}", event="Bid", properties=properties)


CUP = {"product_id": "P-1", "name": "Cup", "price": 10, "quantity": 1}
POT = {"product_id": "P-2", "name": "Pot", "price": 20, "quantity": 2}


def _products() -> Iterator[Event]:
    ways: dict[str, Any] = {
        "list": [CUP, POT],
        "numbered": {"0": CUP, "3": POT},
        "backwards": {"10": POT, "9": CUP},
        "named": {"second": POT, "first": CUP},
        "text": json.dumps([CUP, POT]),
        "one": CUP,
        "unreadable": "a cup and a pot",
    }
    for number, (name, products) in enumerate(ways.items()):
        device = f"products-{name}"
        yield order(device, f"10:0{number}", f"products-{name}", 50, products=products)


def _own_domains() -> Iterator[Event]:
    yield page("own", "10:00", "/pay", "https://www.shop.example/cart")


def _touch_after_order() -> Iterator[Event]:
    mail = "/track-order?utm_source=order-confirmation&utm_medium=email"
    for device, session in (("after-1", {"session": 1788343200000}), ("after-2", {})):
        yield page(device, "10:00", **session)
        yield order(device, "10:05", f"{device}-order", 40, **session)
        yield page(device, "10:08", mail, **session)
    yield page("long", "11:00", session=1788343200000)
    yield page("long", "2026-10-20 10:00", "/?utm_source=goo&utm_medium=cpc", session=1788343200000)
    yield event("long", "2026-10-20 10:01", "identify", userId="u-long", session=1788343200000)
    yield order(None, "2026-10-20 12:00", "long-order", 1, userId="u-long", channel="server")


def _unexpired() -> Iterator[Event]:
    yield page("unexpired", "10:00", "/1", session=1788300000)
    yield page("unexpired", "10:10", "/2", session=1788300000)
    yield page("unexpired", "2026-09-05 15:00", "/3?gclid=abc", session=1788300000)


def _banner() -> Iterator[Event]:
    accepted = {"session": 1788343205000}
    yield page("banner", "10:00", "/lp?utm_source=news&utm_medium=email")
    yield page("banner", "10:00:05", "/lp2", f"{SHOP}/lp", **accepted)
    yield order("banner", "10:05", "banner-order", **accepted)
    yield page("banner", "10:06", "/bye", f"{SHOP}/lp2")


def _server() -> Iterator[Event]:
    yield page("packed", "10:00", session=1788343200000)
    yield order("packed", "10:01", "packed-order", 10, session=1788343200000)
    for at, name in (("14:00", "Order Packed"), ("19:00", "Order Shipped")):
        told = {
            "userId": "u-packed",
            "channel": "server",
            "properties": {"order_id": "packed-order"},
        }
        yield event("packed", at, event=name, **told)


def _attribution() -> Iterator[Event]:
    line = {"products": [{"product_id": "p", "price": 30, "quantity": 1}]}
    yield page("twice", "10:00", "/?utm_source=news&utm_medium=email&utm_campaign=x")
    yield order("twice", "10:05", "twice-1", **line)
    yield order("twice", "10:10", "twice-2", **line)
    brand = {"source": "google", "medium": "cpc", "name": "brand"}
    yield order("once", "11:00", "once", campaign=brand, **line)
    yield page("backend", "12:00", "/?utm_source=fb&utm_medium=paid_social", userId="u-backend")
    told = {"userId": "u-backend", "channel": "server"}
    yield order(None, "12:30", "backend", **told)
    for at in ("12:40", "12:40:01"):
        refund = {"order_id": "backend", "total": 10, "currency": "USD", "refund_id": "r-1"}
        yield event(None, at, event="Order Refunded", properties=refund, **told)


def _agents() -> Iterator[Event]:
    for number, (name, (agent, _)) in enumerate(AGENTS.items()):
        yield page(f"agent-{name}", f"10:0{number}", agent=agent)
        yield order(f"agent-{name}", f"10:1{number}", f"agent-{name}", agent=agent)


SOURCES = Path(__file__).parents[1] / "models/cases/traffic_sources.csv"


def sources() -> list[dict[str, str]]:
    """Where visitors came from, a row each, with the source and channel that must come of it."""
    with SOURCES.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def _sources() -> Iterator[Event]:
    for number, row in enumerate(sources()):
        device, at = f"source-{number:02d}", f"13:{number % 60:02d}"
        if row["kind"] == "referrer":
            yield page(device, at, "/", row["input"])
        elif row["kind"] == "utm":
            yield page(device, at, f"/?{row['input']}")
        else:
            address, _, referrer = row["input"].partition(" (referrer ")
            yield page(device, at, address.removeprefix(SHOP), referrer.rstrip(")") or None)


AMOUNTS: dict[str, tuple[dict[str, Any], Decimal | None]] = {
    "ten-thousand": ({"total": 10000.00}, Decimal("10000.00")),
    "large": ({"total": "12345.67"}, Decimal("12345.67")),
    "largest": ({"total": 9_999_999_999.99}, Decimal("9999999999.99")),
    "too-large": ({"total": 1e10}, None),
    "hostile": ({"total": 1.7e308, "tax": -1e300}, None),
    "many": (
        {"products": [{"product_id": "m", "price": 1_500_000, "quantity": 999_999}]},
        Decimal("1499998500000.00"),
    ),
}
"""What an order's event says of money, and the revenue that comes of it."""


def _amounts() -> Iterator[Event]:
    for number, (name, (said, _)) in enumerate(AMOUNTS.items()):
        properties = {"order_id": f"amount-{name}", "currency": "USD", **said}
        yield event(
            f"amount-{name}", f"14:0{number}", event="Order Completed", properties=properties
        )


CASES = {
    "sources": _sources,
    "amounts": _amounts,
    "consent": _consent,
    "traits": _traits,
    "keys": _keys,
    "products": _products,
    "own-domains": _own_domains,
    "touch-after-order": _touch_after_order,
    "unexpired": _unexpired,
    "banner": _banner,
    "server": _server,
    "attribution": _attribution,
    "agents": _agents,
}


def write(landing: Path) -> None:
    """Add a file of cases to the folders of the dates they were received on."""
    lines: dict[str, list[str]] = {}
    for case, made in CASES.items():
        for number, item in enumerate(made()):
            whole = {"messageId": f"case-{case}-{number}", **item}
            lines.setdefault(whole["receivedAt"][:10], []).append(json.dumps(whole))
    for day, texts in lines.items():
        folder = landing / f"received_at_utc_date={day}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cases.json").write_text("\n".join(texts) + "\n", encoding="utf-8")
