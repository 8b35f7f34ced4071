"""The generator's files, read again by a reader that shares no code with it."""

import gzip
import hashlib
import ipaddress
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from engagement.samples import (
    SAMPLES,
    Dirt,
    GeneratorError,
    GeneratorReport,
    GeneratorSettings,
    generate,
    write_data_card,
)

HOUR = timedelta(hours=1)
WINDOW = timedelta(days=7)

# Key sets of events as RudderStack's browser SDK sends them and its server completes them.
COMMON = {
    "anonymousId",
    "channel",
    "context",
    "integrations",
    "messageId",
    "originalTimestamp",
    "receivedAt",
    "request_ip",
    "rudderId",
    "sentAt",
    "timestamp",
    "type",
    "userId",
}
BY_TYPE = {
    "page": {"properties"},
    "track": {"event", "properties"},
    "identify": set(),
    "group": {"groupId", "traits"},
    "alias": {"previousId"},
}
CONTEXT = {
    "app": {"installType", "name", "namespace", "version"},
    "campaign": None,
    "library": {"name", "variant", "version"},
    "locale": None,
    "os": {"name", "version"},
    "page": {
        "initial_referrer",
        "initial_referring_domain",
        "path",
        "referrer",
        "referring_domain",
        "search",
        "tab_url",
        "title",
        "url",
    },
    "screen": {"density", "height", "innerHeight", "innerWidth", "width"},
    "timezone": None,
    "traits": None,
    "userAgent": None,
}
CAMPAIGN = {"source", "medium", "name", "term", "content"}
TRAITS = {
    "address",
    "age",
    "company",
    "createdAt",
    "email",
    "firstName",
    "interests",
    "lastName",
    "newsletter",
    "phone",
    "plan",
}
MORE_TRAITS = {"birthday", "consent", "gender"}
PRODUCT = {
    "brand",
    "category",
    "currency",
    "image_url",
    "name",
    "position",
    "price",
    "product_id",
    "quantity",
    "sku",
    "url",
    "variant",
}
PROPERTIES = {
    "Product Viewed": PRODUCT,
    "Product Added": PRODUCT | {"cart_id"},
    "Products Searched": {"query", "results"},
    "Checkout Started": {"currency", "order_id", "products", "value"},
    "Order Completed": {
        "affiliation",
        "checkout_id",
        "currency",
        "discount",
        "order_id",
        "products",
        "revenue",
        "shipping",
        "subtotal",
        "tax",
        "total",
    },
}
KNOWN_EVENTS = {
    "Products Searched",
    "Product List Viewed",
    "Product List Filtered",
    "Promotion Viewed",
    "Promotion Clicked",
    "Product Clicked",
    "Product Viewed",
    "Product Added",
    "Product Removed",
    "Cart Viewed",
    "Checkout Started",
    "Checkout Step Viewed",
    "Checkout Step Completed",
    "Payment Info Entered",
    "Coupon Applied",
    "Coupon Denied",
    "Order Completed",
    "Order Refunded",
    "Order Cancelled",
    "Product Added to Wishlist",
    "Product Shared",
    "Product Reviewed",
    "Signed Up",
    "Logged In",
}
TYPES = {"track", "page", "screen", "identify", "group", "alias"}


@dataclass
class Day:
    """What a reader finds in one folder."""

    files: int = 0
    bytes: int = 0
    lines: int = 0
    blank: int = 0
    joined: int = 0
    objects: list[dict[str, Any]] = field(default_factory=list)
    bad: Counter[str] = field(default_factory=Counter)

    @property
    def records(self) -> int:
        unknown = self.bad["unknown_types"]
        return len(self.objects) + self.bad.total() - unknown


def pieces(text: str) -> list[Any] | None:
    """Return the JSON values that stand one after the other in a line, None if some are broken."""
    decoder = json.JSONDecoder()
    place, found = 0, []
    while place < len(text):
        try:
            value, place = decoder.raw_decode(text, place)
        except json.JSONDecodeError:
            return None
        found.append(value)
        while place < len(text) and text[place] == " ":
            place += 1
    return found


def read(out: Path) -> dict[str, Day]:
    """Read everything that was written, folder by folder."""
    days: dict[str, Day] = {}
    for path in sorted(out.rglob("*")):
        if path.is_dir():
            continue
        day = days.setdefault(path.parent.name.partition("=")[2], Day())
        body = path.read_bytes()
        day.files += 1
        day.bytes += len(body)
        if path.suffix == ".gz":
            body = gzip.decompress(body)
        assert body.endswith(b"\n")
        for line in body[:-1].split(b"\n"):
            read_line(line, day)
    return days


def read_line(line: bytes, day: Day) -> None:
    day.lines += 1
    if not line.strip():
        day.blank += 1
        return
    try:
        text = line.decode()
    except UnicodeDecodeError:
        day.bad["invalid_utf8"] += 1
        return
    if not text.startswith("{"):
        day.bad["non_objects"] += 1
        return
    found = pieces(text)
    if found is None:
        day.bad["truncated_lines"] += 1
        return
    assert all(isinstance(value, dict) for value in found)
    day.joined += len(found) > 1
    day.objects += found
    day.bad["unknown_types"] += sum(value.get("type") not in TYPES for value in found)


def events(days: dict[str, Day]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, day in sorted(days.items()):
        for event in day.objects:
            yield name, event


def moment(text: str) -> datetime:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def small(**changes: Any) -> GeneratorSettings:
    given = {"users": 150, "days": 9, "seed": 3, "compress": False, "dirt": Dirt.none()} | changes
    return GeneratorSettings(**given)


def digests(out: Path) -> dict[str, str]:
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


@dataclass(frozen=True)
class Made:
    settings: GeneratorSettings
    report: GeneratorReport
    out: Path
    days: dict[str, Day]
    sessions: dict[tuple[str, int], list[dict[str, Any]]]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for _, event in events(self.days)]


def make(settings: GeneratorSettings, out: Path) -> Made:
    report = generate(settings, out)
    days = read(out)
    sessions = defaultdict(list)
    for _, event in events(days):
        number = event.get("context", {}).get("sessionId")
        if number is not None:
            sessions[event["anonymousId"], number].append(event)
    for found in sessions.values():
        found.sort(key=lambda event: str(event["timestamp"]))
    return Made(settings, report, out, days, dict(sessions))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A shop without any dirt, large enough that everything happens."""
    settings = small(users=1200, days=20, conversion=0.12, eur_share=0.1, gbp_share=0.05)
    return make(settings, tmp_path_factory.mktemp("clean") / "out")


# --- the files -------------------------------------------------------------------------------


def test_same_settings_same_bytes_other_seed_other_bytes(tmp_path: Path) -> None:
    settings = small(dirt=Dirt(), compress=True)
    generate(settings, tmp_path / "one")
    generate(settings, tmp_path / "two")
    generate(settings.model_copy(update={"seed": 4}), tmp_path / "three")
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert not set(digests(tmp_path / "one").values()) & set(digests(tmp_path / "three").values())


def test_plain_and_gzip_hold_the_same(tmp_path: Path) -> None:
    generate(small(dirt=Dirt()), tmp_path / "plain")
    generate(small(dirt=Dirt(), compress=True), tmp_path / "gzip")
    plain = sorted(path for path in (tmp_path / "plain").rglob("*") if path.is_file())
    zipped = sorted(path for path in (tmp_path / "gzip").rglob("*") if path.is_file())
    assert [path.name + ".gz" for path in plain] == [path.name for path in zipped]
    for one, two in zip(plain, zipped, strict=True):
        assert gzip.decompress(two.read_bytes()) == one.read_bytes()


def test_layout(tmp_path: Path) -> None:
    made = make(small(compress=True, object_records=60, dirt=Dirt.none()), tmp_path / "out")
    first = date(2026, 9, 2)
    expected = {(first + timedelta(days=day)).isoformat() for day in range(9)}
    assert {path.name for path in made.out.iterdir()} == {
        f"received_at_utc_date={day}" for day in expected
    }
    names = [path for path in made.out.rglob("*") if path.is_file()]
    for path in names:
        found = re.fullmatch(
            r"rudderstack-events-1-(\d{4}-\d\d-\d\d)-\d\d-\d\d-\d\d-"
            r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.gz",
            path.name,
        )
        assert found
        assert path.parent.name == f"received_at_utc_date={found[1]}"
        assert len(gzip.decompress(path.read_bytes()).splitlines()) <= 60
    assert max(day.files for day in made.days.values()) > 1
    assert made.settings.end == date(2026, 9, 10)


def test_folder_is_the_utc_date_of_received_at(clean: Made) -> None:
    for name, event in events(clean.days):
        assert event["receivedAt"][:10] == name


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    with pytest.raises(GeneratorError, match="not an empty folder"):
        generate(small(), tmp_path)
    with pytest.raises(GeneratorError, match="not an empty folder"):
        generate(small(), tmp_path / "kept.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    generate(small(days=2), tmp_path / "out")
    assert any((tmp_path / "out").iterdir())


def test_a_run_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    seen = []

    def stop(done: int, days: int) -> None:
        seen.append((done, days))
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(small(), tmp_path / "out", progress=stop)
    assert seen == [(1, 9), (2, 9), (3, 9), (4, 9)]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "wrong",
    [{"user": 3}, {"users": 0}, {"dirt": {"late": 1.5}}, {"dirt": {"rain": 0.1}}],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GeneratorSettings(**({"users": 10, "days": 2} | wrong))


# --- the events ------------------------------------------------------------------------------


def test_without_dirt_every_line_is_one_event(clean: Made) -> None:
    assert clean.report.dirt == dict.fromkeys(clean.report.dirt, 0)
    assert clean.report.events == clean.report.records == clean.report.lines
    assert sum(day.lines for day in clean.days.values()) == clean.report.events
    assert not sum((day.bad for day in clean.days.values()), Counter())
    identities = [event["messageId"] for event in clean.events]
    assert len(set(identities)) == len(identities) == clean.report.events
    counted = Counter(event.get("event", event["type"]) for event in clean.events)
    assert counted == clean.report.event_names
    assert set(counted) == KNOWN_EVENTS | (TYPES - {"track"})


def test_web_events_have_the_keys_of_the_browser_sdk(clean: Made) -> None:
    tracked = set()
    for event in clean.events:
        if event["channel"] != "web":
            continue
        keys = COMMON | BY_TYPE[event["type"]]
        assert set(event) in ([keys, keys - {"properties"}])
        assert set(event) == keys or event["event"] == "Logged In"
        context = event["context"]
        assert set(context) - {"sessionId", "sessionStart"} == set(CONTEXT)
        for part, expected in CONTEXT.items():
            assert expected is None or set(context[part]) == expected, part
        assert context["os"] == {"name": "", "version": ""}
        assert set(context["campaign"]) <= CAMPAIGN | {"id"}
        assert set(context["traits"]) <= TRAITS | MORE_TRAITS
        if event["type"] == "page":
            assert event["properties"] == context["page"]
        if event.get("event") in PROPERTIES:
            expected = PROPERTIES[event["event"]]
            assert set(event["properties"]) - {"coupon"} == expected
            tracked.add(event["event"])
            for line in event["properties"].get("products", []):
                assert set(line) == PRODUCT
        if event["type"] == "group":
            assert set(event["traits"]) == {"employees", "name", "plan"}
    assert tracked == set(PROPERTIES)


def test_app_events_are_of_the_mobile_channel(clean: Made) -> None:
    app = [event for event in clean.events if event["channel"] == "mobile"]
    assert {event["type"] for event in app} >= {"screen", "track"}
    assert not [event for event in clean.events if event["channel"] not in ("web", "mobile")]
    for event in app:
        assert event["type"] != "page"
        assert event["context"]["os"]["name"] in ("Android", "iOS")
        assert event["context"]["os"]["version"]
        assert "page" not in event["context"]
        if event["type"] == "screen":
            assert event["name"] == event["properties"]["name"]


def test_timestamp_is_the_time_of_receipt_less_the_time_to_sending(clean: Made) -> None:
    for event in clean.events:
        received, sent = moment(event["receivedAt"]), moment(event["sentAt"])
        original = moment(event["originalTimestamp"])
        assert moment(event["timestamp"]) == received - (sent - original)
        assert original <= sent < original + timedelta(minutes=1)
        assert abs(received - sent) < timedelta(seconds=2)


def test_sessions_start_once_and_carry_an_integer(clean: Made) -> None:
    for (_, number), found in clean.sessions.items():
        assert type(number) is int
        starts = ["sessionStart" in event["context"] for event in found]
        assert starts == [True] + [False] * (len(found) - 1)
        assert found[0]["context"]["sessionStart"] is True
        begun = moment(found[0]["originalTimestamp"]).timestamp() * 1000
        assert 0 <= begun - number < 1000
        times = [event["timestamp"] for event in found]
        assert len(set(times)) == len(times)
    without = [event for event in clean.events if "sessionId" not in event["context"]]
    assert without
    assert not [event for event in without if "sessionStart" in event["context"]]
    shares = len(without) / len(clean.events)
    assert shares < 0.1


def test_visitors_are_anonymous_until_they_identify(clean: Made) -> None:
    guests = 0
    for found in clean.sessions.values():
        known = False
        for event in found:
            known = known or event["userId"] != ""
            if event["userId"] == "":
                assert not known
                assert event["context"]["traits"] == {}
            else:
                assert re.fullmatch(r"u-\d+", event["userId"])
                assert event["context"]["traits"]["email"].split("@")[1] in (
                    "example.com",
                    "example.org",
                    "example.net",
                    "mail.example",
                    "inbox.example",
                )
            assert event["type"] != "identify" or event["userId"]
        identifies = [n for n, event in enumerate(found) if event["type"] == "identify"]
        if identifies and found[0]["userId"] == "":
            assert found[identifies[0] - 1]["userId"] == ""
        guests += any(e.get("event") == "Order Completed" and not e["userId"] for e in found)
    assert guests
    identified = {event["userId"] for event in clean.events} - {""}
    assert len(identified) == clean.report.registered
    assert len({event["anonymousId"] for event in clean.events}) == clean.report.devices


def test_some_people_have_two_devices_and_some_devices_two_people(clean: Made) -> None:
    devices, people = defaultdict(set), defaultdict(set)
    for event in clean.events:
        if event["userId"]:
            devices[event["userId"]].add(event["anonymousId"])
            people[event["anonymousId"]].add(event["userId"])
    assert max(len(found) for found in devices.values()) == 2
    assert max(len(found) for found in people.values()) == 2
    for event in clean.events:
        assert event["type"] != "alias" or event["previousId"] == event["anonymousId"]


def test_click_ids_stand_only_in_addresses(clean: Made) -> None:
    found = Counter()
    for event in clean.events:
        if event["channel"] != "web":
            continue
        page = event["context"]["page"]
        assert page["url"].endswith(page["path"] + page["search"])
        for name in ("gclid", "fbclid", "msclkid", "ttclid"):
            assert name not in event["context"]["campaign"]
            found[name] += f"{name}=" in page["search"]
        assert ("utm_source=" in page["search"]) == (event["context"]["campaign"] != {})
    assert min(found.values()) > 0


def test_addresses_and_numbers_are_those_for_examples(clean: Made) -> None:
    nets = [
        ipaddress.ip_network(net)
        for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
    ]
    for address in {event["request_ip"] for event in clean.events}:
        assert any(ipaddress.ip_address(address) in net for net in nets)
    phones = {event["context"]["traits"].get("phone") for event in clean.events} - {None}
    assert phones
    assert all(re.fullmatch(r"\+1-555-01\d\d", phone) for phone in phones)


def test_the_funnel_is_in_order_of_time(clean: Made) -> None:
    ordered = 0
    for found in clean.sessions.values():
        when: dict[str, str] = {}
        for event in found:
            when.setdefault(event.get("event", event["type"]), event["timestamp"])
        if "Order Completed" not in when:
            continue
        ordered += 1
        steps = ["Checkout Started", "Payment Info Entered", "Order Completed"]
        times = [when[step] for step in steps]
        assert times == sorted(times)
        assert len(set(times)) == 3
        if "Product Added" in when:
            assert when["Product Viewed"] < when["Product Added"] < when["Checkout Started"]
    assert ordered > 100
    for found in clean.sessions.values():
        viewed = set()
        for event in found:
            if event.get("event") == "Product Viewed":
                viewed.add(event["properties"]["product_id"])
            if event.get("event") == "Product Added":
                assert event["properties"]["product_id"] in viewed


def cents(value: float) -> int:
    assert round(value * 100) == pytest.approx(value * 100, abs=1e-6)
    return round(value * 100)


def test_orders_add_up(clean: Made) -> None:
    orders: dict[str, dict[str, Any]] = {}
    again = 0
    for event in clean.events:
        if event.get("event") != "Order Completed":
            continue
        order = event["properties"]
        if order["order_id"] in orders:
            again += 1
            assert order == orders[order["order_id"]]
        orders[order["order_id"]] = order
        subtotal = sum(cents(line["price"]) * line["quantity"] for line in order["products"])
        due = subtotal - cents(order["discount"])
        assert cents(order["subtotal"]) == cents(order["revenue"]) == subtotal
        assert cents(order["total"]) == due + cents(order["shipping"]) + cents(order["tax"])
        assert cents(order["shipping"]) == (0 if due >= 6000 else 495)
        assert 0 <= cents(order["tax"]) <= 0.14 * due
        assert ("coupon" in order) == (order["discount"] > 0)
        assert {line["currency"] for line in order["products"]} == {order["currency"]}
        assert [line["position"] for line in order["products"]] == list(
            range(1, len(order["products"]) + 1)
        )
    assert len(orders) == clean.report.orders
    assert again == clean.report.repeated_orders > 0
    assert sum(len(order["products"]) for order in orders.values()) == clean.report.order_lines
    assert {order["currency"] for order in orders.values()} == {"USD", "EUR", "GBP"}
    for event in clean.events:
        if event.get("event") in ("Order Refunded", "Order Cancelled"):
            order = orders.get(event["properties"]["order_id"])
            assert order
            assert 0 < event["properties"]["total"] <= order["total"]


def test_conversion_is_what_was_asked_for(clean: Made) -> None:
    assert clean.report.orders / clean.report.sessions == pytest.approx(0.12, abs=0.03)


def test_write_keys_are_written_where_asked_for(tmp_path: Path) -> None:
    made = make(small(write_keys=("web-key", "app-key")), tmp_path / "out")
    for event in made.events:
        assert event["writeKey"] == {"web": "web-key", "mobile": "app-key"}[event["channel"]]


# --- the dirt --------------------------------------------------------------------------------


def copies(days: dict[str, Day]) -> Counter[str]:
    """Count repeated deliveries, in the order of the received date."""
    found: Counter[str] = Counter()
    seen: dict[str, list[date]] = defaultdict(list)
    for name, event in events(days):
        day = date.fromisoformat(name)
        before = seen[event["messageId"]]
        if day in before:
            found["duplicate_same_day"] += 1
        elif before:
            found["duplicate_later"] += 1
            found["events_again"] += all(day - earlier > WINDOW for earlier in before)
        before.append(day)
    return found


NUMBER = (int, float)
ONE_PRODUCT = {"price": NUMBER, "quantity": int, "position": int, "sku": str}
RIGHT_TYPES: dict[str, dict[str, Any]] = {
    "Product Clicked": ONE_PRODUCT,
    "Product Viewed": ONE_PRODUCT,
    "Product Added": ONE_PRODUCT,
    "Product Added to Wishlist": ONE_PRODUCT,
    "Product Shared": ONE_PRODUCT,
    "Order Completed": {"total": NUMBER},
}


def has_odd_type(event: dict[str, Any]) -> bool:
    return any(
        isinstance(event["properties"][name], bool)
        or not isinstance(event["properties"][name], kind)
        for name, kind in RIGHT_TYPES.get(event.get("event") or "", {}).items()
    )


def counted(days: dict[str, Day]) -> Counter[str]:
    """Count every kind of dirt, where there is one kind only."""
    found = copies(days)
    seen = set()
    for _, event in events(days):
        if event["messageId"] in seen:
            continue
        seen.add(event["messageId"])
        original, sent = moment(event["originalTimestamp"]), moment(event["sentAt"])
        received, corrected = moment(event["receivedAt"]), moment(event["timestamp"])
        wrong = abs(received - sent) >= HOUR or not HOUR * 0 <= sent - original < HOUR * 720
        found["skewed_clock"] += wrong
        found["late"] += not wrong and sent - original >= HOUR
        found["unbelieved_times"] += corrected.year < 2000 or corrected - received > HOUR * 24
        found["odd_names"] += (
            event.get("type") == "track" and event.get("event") not in KNOWN_EVENTS
        )
        found["odd_types"] += has_odd_type(event)
        found["bots"] += "bot" in event["context"]["userAgent"].lower()
    for day in days.values():
        found += day.bad
        found["joined_lines"] += day.joined
        found["blank_lines"] += day.blank
    return +found


HIGH = {
    "duplicate_same_day": 0.2,
    "duplicate_later": 0.3,
    "late": 0.5,
    "skewed_clock": 0.5,
    "joined_lines": 0.3,
    "truncated_lines": 0.3,
    "blank_lines": 0.3,
    "non_objects": 0.3,
    "odd_names": 0.3,
    "odd_types": 0.5,
    "unknown_types": 0.3,
    "bots": 0.3,
    "invalid_utf8": 0.3,
}
PARTS = {"duplicate_later": {"events_again"}, "skewed_clock": {"unbelieved_times"}}


def test_every_kind_of_dirt_is_tried() -> None:
    assert set(HIGH) == set(Dirt.model_fields)


@pytest.mark.parametrize("kind", HIGH)
def test_a_kind_of_dirt_is_counted_truly(kind: str, tmp_path: Path) -> None:
    days = 25 if kind == "duplicate_later" else 6
    dirt = Dirt(**(Dirt.none().model_dump() | {kind: HIGH[kind]}))
    made = make(small(users=200, days=days, dirt=dirt), tmp_path / "out")
    found = counted(made.days)
    assert set(found) == {kind} | PARTS.get(kind, set())
    assert found == Counter({name: count for name, count in made.report.dirt.items() if count})
    assert found[kind] > 20


def test_resent_copies_differ_in_time_only(tmp_path: Path) -> None:
    dirt = Dirt(**(Dirt.none().model_dump() | {"duplicate_same_day": 0.3}))
    made = make(small(dirt=dirt), tmp_path / "out")
    by_id = defaultdict(list)
    for event in made.events:
        by_id[event["messageId"]].append(event)
    resent = exact = 0
    for first, *others in by_id.values():
        for other in others:
            exact += other == first
            resent += other != first
            stamps = {"sentAt", "receivedAt", "timestamp"}
            assert {k: v for k, v in first.items() if k not in stamps} == {
                k: v for k, v in other.items() if k not in stamps
            }
            apart = abs(moment(first["timestamp"]) - moment(other["timestamp"]))
            assert apart < timedelta(milliseconds=100)
    assert exact > 10
    assert resent > exact


def test_each_day_reconciles(tmp_path: Path) -> None:
    rates = {kind: min(rate * 20, 0.2) for kind, rate in Dirt().model_dump().items()}
    made = make(
        small(users=400, days=20, compress=True, object_records=300, dirt=Dirt(**rates)),
        tmp_path / "out",
    )
    assert [day.received_at_utc_date for day in made.report.days] == sorted(made.days)
    seen: dict[str, list[date]] = defaultdict(list)
    for truth in made.report.days:
        day = made.days[truth.received_at_utc_date]
        today = date.fromisoformat(truth.received_at_utc_date)
        duplicates = 0
        for event in day.objects:
            before = seen[event["messageId"]]
            duplicates += any(today - earlier <= WINDOW for earlier in before)
            before.append(today)
        assert (truth.files, truth.bytes, truth.lines) == (day.files, day.bytes, day.lines)
        assert truth.blank_lines == day.blank
        assert truth.records == day.records
        assert truth.duplicates == duplicates
        assert Counter(truth.bad) == day.bad
        assert truth.quarantined == day.bad.total()
        assert truth.records == truth.events + truth.duplicates + truth.quarantined
    report = made.report
    assert all(report.dirt.values())
    for name in ("files", "bytes", "lines", "records", "events"):
        assert getattr(report, name) == sum(getattr(day, name) for day in report.days)


# --- the samples -----------------------------------------------------------------------------


def test_samples_are_sixty_days_up_to_the_end_of_october() -> None:
    assert (SAMPLES.start, SAMPLES.end) == (date(2026, 9, 2), date(2026, 10, 31))
    assert SAMPLES.compress


def test_the_data_card_tells_the_counts(tmp_path: Path) -> None:
    made = make(small(dirt=Dirt(duplicate_same_day=0.1)), tmp_path / "out")
    write_data_card(made.report, made.settings, tmp_path / "card" / "README.md")
    card = (tmp_path / "card" / "README.md").read_text(encoding="utf-8")
    for kind in Dirt.model_fields:
        assert re.search(rf"\| `{kind}` \| {made.report.dirt[kind]:,} \|", card)
    assert f"| records | {made.report.records:,} |" in card
    assert '"seed": 3' in card
    assert "MIT No Attribution" in card


def test_the_committed_samples_are_what_the_profile_makes(tmp_path: Path) -> None:
    committed = Path(__file__).parents[2] / "data" / "samples"
    report = generate(SAMPLES, tmp_path / "out")
    write_data_card(report, SAMPLES, tmp_path / "README.md")
    made, kept = contents(tmp_path / "out"), contents(committed / "rudderstack_firehose")
    assert list(made) == list(kept)
    for name, body in made.items():
        assert body == kept[name], name
    # Sizes of compressed files differ from one version of zlib to another.
    cards = [
        re.sub(r"\| bytes in files \| [\d,]+ \|", "", path.read_text(encoding="utf-8"))
        for path in (tmp_path / "README.md", committed / "README.md")
    ]
    assert cards[0] == cards[1]


def contents(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): gzip.decompress(path.read_bytes())
        for path in sorted(out.rglob("*.gz"))
    }
