"""The invented people: where they live, what they use, what they like, what they are called."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson

from engagement.samples.catalogue import CATEGORIES
from engagement.samples.settings import GeneratorSettings
from engagement.samples.text import (
    DAY,
    Array,
    drawn,
    fragments,
    json,
    lasting_uuids,
    members,
    mixed,
    uniform,
)

FIRST_USER_ID = 10_000

# Salts: what is computed from a person's or a device's number, each from its own stream.
_ANONYMOUS, _RUDDER_ANONYMOUS, _RUDDER_KNOWN = 10, 20, 30
_NETWORK, _DETAILS, _TOKEN = 40, 50, 60


@dataclass(frozen=True)
class Place:
    """A town, its share of people, and what follows from it (tax in percent)."""

    country: str
    state: str
    city: str
    postal: str
    zone: str
    locales: tuple[str, ...]
    weight: float
    tax: int = 0


@dataclass(frozen=True)
class Profile:
    """A kind of device: a browser or the app on some system."""

    kind: str
    weight: float
    user_agent: str
    width: int
    height: int
    density: float
    system: str = ""
    version: str = ""
    maker: str = ""
    model: str = ""


# fmt: off
PLACES = (
    Place("US", "NY", "Brooklyn", "112##", "America/New_York", ("en-US",), 9, 8),
    Place("US", "CA", "Oakland", "946##", "America/Los_Angeles", ("en-US", "es-US"), 9, 8),
    Place("US", "TX", "Austin", "787##", "America/Chicago", ("en-US",), 7, 8),
    Place("US", "IL", "Chicago", "606##", "America/Chicago", ("en-US",), 6, 8),
    Place("US", "WA", "Tacoma", "984##", "America/Los_Angeles", ("en-US",), 4, 8),
    Place("US", "FL", "Tampa", "336##", "America/New_York", ("en-US", "es-US"), 5, 8),
    Place("US", "CO", "Boulder", "803##", "America/Denver", ("en-US",), 4, 8),
    Place("US", "MA", "Worcester", "016##", "America/New_York", ("en-US",), 4, 8),
    Place("CA", "ON", "Toronto", "M4C #B#", "America/Toronto", ("en-CA",), 5, 13),
    Place("CA", "QC", "Montréal", "H2X #K#", "America/Toronto", ("fr-CA",), 3, 13),
    Place("GB", "England", "Leeds", "LS# #AB", "Europe/London", ("en-GB",), 6),
    Place("GB", "Scotland", "Glasgow", "G# #XY", "Europe/London", ("en-GB",), 4),
    Place("DE", "BE", "Berlin", "101##", "Europe/Berlin", ("de-DE", "de"), 5),
    Place("DE", "BY", "Nürnberg", "904##", "Europe/Berlin", ("de-DE",), 4),
    Place("FR", "ARA", "Lyon", "690##", "Europe/Paris", ("fr-FR",), 4),
    Place("FR", "PDL", "Nantes", "440##", "Europe/Paris", ("fr-FR",), 2),
    Place("ES", "VC", "València", "460##", "Europe/Madrid", ("es-ES", "ca-ES"), 3),
    Place("NL", "UT", "Utrecht", "35## AB", "Europe/Amsterdam", ("nl-NL", "en-GB"), 3),
    Place("SE", "M", "Malmö", "211 ##", "Europe/Stockholm", ("sv-SE",), 1.5),
    Place("AU", "VIC", "Geelong", "32##", "Australia/Melbourne", ("en-AU",), 3),
    Place("BR", "PR", "Curitiba", "800##-0##", "America/Sao_Paulo", ("pt-BR",), 2),
    Place("MX", "JAL", "Guadalajara", "441##", "America/Mexico_City", ("es-MX",), 2),
    Place("JP", "Osaka", "大阪", "530-00##", "Asia/Tokyo", ("ja-JP",), 2),
    Place("IN", "KA", "Bengaluru", "5600##", "Asia/Kolkata", ("en-IN",), 2),
)
EURO = ("DE", "FR", "ES", "NL")

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_ANDROID = "Mozilla/5.0 (Linux; Android 10; K)"
_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
PROFILES = (
    Profile("desktop", 24, f"{_WINDOWS} {_WEBKIT} Chrome/155.0.0.0 Safari/537.36", 1920, 1080, 1),
    Profile("desktop", 8, f"{_WINDOWS} {_WEBKIT} Chrome/156.0.0.0 Safari/537.36", 2560, 1440, 1.25),
    Profile("desktop", 7, f"{_WINDOWS} {_WEBKIT} Chrome/155.0.0.0 Safari/537.36 Edg/155.0.0.0",
        1536, 864, 1.25),
    Profile("desktop", 5, "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:158.0) Gecko/20100101 "
        "Firefox/158.0", 1920, 1080, 1),
    Profile("desktop", 10, f"{_MAC} {_WEBKIT} Chrome/155.0.0.0 Safari/537.36", 1728, 1117, 2),
    Profile("desktop", 9, f"{_MAC} {_SAFARI} Version/19.0 Safari/605.1.15", 1440, 900, 2),
    Profile("desktop", 2, f"Mozilla/5.0 (X11; Linux x86_64) {_WEBKIT} Chrome/155.0.0.0 "
        "Safari/537.36", 1920, 1200, 1),
    Profile("mobile", 30, f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {_SAFARI} "
        "Version/19.0 Mobile/15E148 Safari/604.1", 393, 852, 3),
    Profile("mobile", 6, f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {_SAFARI} "
        "CriOS/155.0.6000.50 Mobile/15E148 Safari/604.1", 430, 932, 3),
    Profile("mobile", 4, f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {_SAFARI} "
        "Mobile/15E148 Instagram 390.0.0.0", 390, 844, 3),
    Profile("mobile", 26, f"{_ANDROID} {_WEBKIT} Chrome/155.0.0.0 Mobile Safari/537.36",
        412, 915, 2.625),
    Profile("mobile", 7, f"{_ANDROID} {_WEBKIT} SamsungBrowser/29.0 Chrome/148.0.0.0 Mobile "
        "Safari/537.36", 360, 780, 3),
    Profile("mobile", 1, "Mozilla/5.0 (Android 16; Mobile; rv:158.0) Gecko/158.0 Firefox/158.0",
        412, 892, 2.625),
    Profile("tablet", 6, f"Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) {_SAFARI} Version/19.0 "
        "Mobile/15E148 Safari/604.1", 820, 1180, 2),
    Profile("tablet", 2, f"Mozilla/5.0 (Linux; Android 16; SM-X710) {_WEBKIT} Chrome/155.0.0.0 "
        "Safari/537.36", 800, 1280, 2),
    Profile("app", 10, "Dalvik/2.1.0 (Linux; U; Android 16; Pixel 9 Build/BP2A.250605)",
        1080, 2424, 420, "Android", "16", "Google", "Pixel 9"),
    Profile("app", 7, "Dalvik/2.1.0 (Linux; U; Android 15; SM-S921B Build/AP3A.240905)",
        1080, 2340, 420, "Android", "15", "samsung", "SM-S921B"),
    Profile("app", 14, "CornerShop/4.12.0 CFNetwork/3826.600.41 Darwin/24.6.0",
        393, 852, 3, "iOS", "18.6", "Apple", "iPhone"),
    Profile("bot", 50, f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) {_WEBKIT} "
        "Chrome/155.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; "
        "+http://www.google.com/bot.html)", 412, 732, 2.625),
    Profile("bot", 30, "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; "
        "bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/155.0.0.0 Safari/537.36",
        1024, 768, 1),
    Profile("bot", 20, "Mozilla/5.0 (compatible; ExampleShopBot/1.4; +https://bot.example/about)",
        1280, 1024, 1),
)
KINDS = ("desktop", "mobile", "tablet", "app", "bot")
FIRST_DEVICE = (45, 38, 6, 11, 0)
SECOND_DEVICE = (18, 48, 9, 25, 0)

_NAMES = {
    "en": (("Amber", "Blake", "Cora", "Dexter", "Edith", "Felix", "Greta", "Hugo", "Iris",
            "Jasper", "Keira", "Leo", "Mabel", "Nolan", "Olive", "Piers", "Quinn", "Rosa",
            "Silas", "Tess", "Uma", "Victor", "Wren", "Zadie"),
           ("Testwood", "Sampleton", "Mockridge", "Demoford", "Placeholder", "Fakenham-Test",
            "O'Example", "Dummyson", "Stubbs-Sample", "Fixture", "Specimen", "Trialby")),
    "de": (("Jürgen", "Käthe", "Björn", "Lieselotte", "Sören", "Anneliese"),
           ("Mustermann", "Musterfrau", "Beispiel", "Probst-Probe", "Testmeyer")),
    "fr": (("Élodie", "François", "Zoé", "Mathéo", "Anaïs", "Benoît"),
           ("Exemple", "Dupont-Test", "D'Essai", "Modèle")),
    "es": (("José", "Lucía", "Íñigo", "Begoña", "Martín", "Ana"),
           ("Ejemplo", "De Prueba", "Muestra", "Ficticio")),
    "pt": (("João", "Conceição", "Thaís", "André"), ("Exemplo", "Da Amostra", "Fictício")),
    "nl": (("Sjoerd", "Fenna", "Joost", "Maaike"), ("Voorbeeld", "Van Test", "Proefman")),
    "sv": (("Åsa", "Göran", "Linnéa", "Björn"), ("Exempelsson", "Provberg")),
    "ja": (("花", "太郎", "葵", "蓮"), ("見本", "試験", "仮名")),
    "ca": (("Núria", "Oriol"), ("Exemple", "De Prova")),
}
_MAIL = ("example.com", "example.com", "example.org", "example.net", "mail.example",
         "inbox.example")
_COMPANIES = ("Acme Sample, Inc.", "Muster & Söhne GmbH", "Specimen Ltd.", "Demo \"Works\" LLC",
              "Exemple SARL", "Placeholder Partners")
_PLANS = ("free", "free", "free", "plus", "premium")
# fmt: on


@dataclass
class People:
    """Everyone, one row per person; crawlers stand after the visitors.

    Attributes
    ----------
    taste
        Three favoured categories each, shape (people, 3); some are the same.
    style
        Which half of a category's products they prefer.
    device
        Numbers of their two devices, shape (people, 2); the same twice for most.
    profile, shared, consenting
        Per device: what it is, whether two people use it, whether session tracking is allowed.
    """

    visitors: int
    place: Array
    locale: Array
    currency: Array
    member: Array
    existing: Array
    activity: Array
    eagerness: Array
    taste: Array
    style: Array
    device: Array
    company: Array
    profile: Array
    shared: Array
    consenting: Array


def invent(settings: GeneratorSettings, crawlers: int) -> People:
    """Make up the visitors, and as many crawlers."""
    rng = np.random.default_rng([settings.seed, 1])
    count = settings.users
    total = count + crawlers
    place = drawn(rng, [place.weight for place in PLACES], total)
    member = rng.random(total) < 0.42
    activity = rng.gamma(0.9, 1 / 0.9, total) * np.where(member, 0.085, 0.012)
    bot = np.arange(total) >= count
    member[bot] = False
    profile = np.stack([_profiles(rng, FIRST_DEVICE, total), _profiles(rng, SECOND_DEVICE, total)])
    profile[:, bot] = _profiles(rng, (0, 0, 0, 0, 1), crawlers)
    device = np.stack([np.arange(total) * 2, np.arange(total) * 2 + 1], axis=1)
    two = member & (rng.random(total) < 0.3)
    device[~two, 1] = device[~two, 0]
    shared = np.zeros(total * 2, dtype=bool)
    members_ = np.flatnonzero(member)
    pairs = members_[: len(members_) // 2 * 2].reshape(-1, 2)
    pairs = pairs[rng.random(len(pairs)) < 0.15]
    device[pairs[:, 1], 0] = device[pairs[:, 0], 0]
    shared[device[pairs[:, 0], 0]] = True
    return People(
        visitors=count,
        place=place.astype(np.int8),
        locale=rng.integers(0, 4, total, dtype=np.int8),
        currency=_currencies(rng, settings, place),
        member=member,
        existing=rng.random(total) < np.where(member, 0.5, 0.15),
        activity=activity.astype(np.float32),
        eagerness=rng.lognormal(0.0, 0.5, total).astype(np.float32),
        taste=_tastes(rng, total),
        style=rng.integers(0, 2, total, dtype=np.int8),
        device=device,
        company=np.where(member & (rng.random(total) < 0.04), rng.integers(0, 6, total), -1),
        profile=np.ascontiguousarray(profile.T).reshape(-1).astype(np.int8),
        shared=shared,
        consenting=rng.random(total * 2) >= np.where(np.repeat(bot, 2), 0.0, 0.03),
    )


def _profiles(rng: np.random.Generator, kinds: tuple[int, ...], count: int) -> Array:
    total = {k: sum(p.weight for p in PROFILES if p.kind == k) for k in KINDS}
    weights = [p.weight / total[p.kind] * kinds[KINDS.index(p.kind)] for p in PROFILES]
    return drawn(rng, weights, count)


def _currencies(rng: np.random.Generator, settings: GeneratorSettings, place: Array) -> Array:
    """Return each person's currency, so that the whole has the shares asked for."""
    luck = rng.random(len(place))
    total = sum(p.weight for p in PLACES)
    currency = np.zeros(len(place), dtype=np.int8)
    for number, share, countries in (
        (1, settings.eur_share, EURO),
        (2, settings.gbp_share, ("GB",)),
    ):
        there = sum(p.weight for p in PLACES if p.country in countries) / total
        local = np.array([p.country in countries for p in PLACES])[place]
        currency[local & (luck < share / there)] = number
    return currency


def _tastes(rng: np.random.Generator, count: int) -> Array:
    """Return three favoured categories each, of which one or two may be the same."""
    popular = [10, 8, 12, 9, 10, 8, 7, 6, 7, 5, 9]
    first = drawn(rng, popular, count)
    # Tastes go together: who likes the outdoors likes footwear and apparel.
    near = np.array([1, 0, 10, 9, 7, 1, 0, 8, 3, 3, 2])
    second = np.where(rng.random(count) < 0.6, near[first], drawn(rng, popular, count))
    third = np.where(rng.random(count) < 0.5, first, drawn(rng, popular, count))
    second = np.where(rng.random(count) < 0.3, first, second)
    return np.stack([first, second, third], axis=1).astype(np.int8)


@cache
def offsets(start: date, days: int) -> Array:
    """Return minutes ahead of UTC at noon of each day, shape (places, days + 2).

    The first column is the day before `start`.
    """
    rows = []
    for place in PLACES:
        zone = ZoneInfo(place.zone)
        row = []
        for day in range(-1, days + 1):
            noon = datetime(start.year, start.month, start.day, 12, tzinfo=UTC)
            ahead = (noon + timedelta(days=day)).astimezone(zone).utcoffset()
            row.append(int(ahead.total_seconds() // 60) if ahead else 0)
        rows.append(row)
    return np.array(rows)


def user_id(person: int) -> bytes:
    """Return the user id of a person."""
    return b"u-%d" % (FIRST_USER_ID + person)


def is_app(people: People, device: Array) -> Array:
    """Tell which devices are the mobile app."""
    return np.array([p.kind == "app" for p in PROFILES])[people.profile[device]]


def is_bot(people: People, device: Array) -> Array:
    """Tell which devices are crawlers."""
    return np.array([p.kind == "bot" for p in PROFILES])[people.profile[device]]


def kind_of(people: People, device: Array) -> Array:
    """Return the kind of device as a position in `KINDS`."""
    return np.array([KINDS.index(p.kind) for p in PROFILES])[people.profile[device]]


@dataclass(frozen=True)
class DeviceFragments:
    """JSON fragments of some devices, in the order of the record."""

    anonymous_id: Array
    head: Array
    library: Array
    screen: Array
    zone: Array
    tail: Array
    address: Array
    rudder_id: Array


@cache
def _profile_fragments() -> tuple[Array, Array, Array, Array]:
    """Return per profile: what follows the anonymous id, the library, the screen, the tail."""
    heads, libraries, screens, tails = [], [], [], []
    browser = {"name": "RudderLabs JavaScript SDK", "version": "3.34.1"}
    for profile in PROFILES:
        screen: dict[str, Any] = {"density": profile.density, "height": profile.height}
        if profile.kind == "app":
            android = profile.system == "Android"
            app = {
                "build": "412",
                "name": "Corner Shop",
                "namespace": "example.shop.app",
                "version": "4.12.0",
            }
            device: dict[str, object] = {
                "manufacturer": profile.maker,
                "model": profile.model,
                "name": profile.model,
                "type": profile.system,
            }
            heads.append(
                b'","channel":"mobile","context":{"app":%b,"device":{%b,"id":"'
                % (json(app), members(device))
            )
            library = {
                "name": "com.rudderstack.android.sdk.core" if android else "rudder-ios-library",
                "version": "1.27.0" if android else "1.31.1",
            }
            network = {"bluetooth": False, "carrier": "Example Mobile", "cellular": True}
            network["wifi"] = android
            libraries.append(
                b',"library":%b,"network":%b,"os":%b,"locale":"'
                % (
                    json(library),
                    json(network),
                    json({"name": profile.system, "version": profile.version}),
                )
            )
            screens.append(b',"screen":%b' % json(screen | {"width": profile.width}))
        else:
            app = {"installType": "npm", "name": browser["name"]}
            app |= {"namespace": "com.rudderlabs.javascript", "version": browser["version"]}
            heads.append(b'","channel":"web","context":{"app":%b,"campaign":' % json(app))
            library = {"name": browser["name"], "variant": "bundled", "version": browser["version"]}
            libraries.append(
                b',"library":%b,"os":{"name":"","version":""},"locale":"' % json(library)
            )
            inner = profile.height - (125 if profile.kind == "desktop" else 110)
            screen |= {"innerHeight": inner, "innerWidth": profile.width, "width": profile.width}
            screens.append(b'},"screen":%b' % json(screen))
        tails.append(b',"userAgent":%b},' % json(profile.user_agent))
    return fragments(heads), fragments(libraries), fragments(screens), fragments(tails)


@cache
def _addresses() -> Array:
    """Return request addresses, of the ranges set apart for documentation (RFC 5737, 3849)."""
    rng = np.random.default_rng(11)
    four = [f"{net}.{n}" for net in ("192.0.2", "198.51.100", "203.0.113") for n in range(1, 255)]
    six = [
        f"2001:db8:{int(a) + 1:x}:{int(b) + 1:x}::{int(c) + 1:x}"
        for a, b, c in rng.integers(0, 0xFFFE, (400, 3))
    ]
    return fragments(address.encode() for address in four + six)


def zone_text(minutes: int) -> bytes:
    """Return an offset the way a browser's Date prints it (``GMT-0500``)."""
    return b"GMT%b%02d%02d" % (b"-" if minutes < 0 else b"+", *divmod(abs(minutes), 60))


def device_fragments(
    people: People, settings: GeneratorSettings, device: Array, owner: Array, day: int
) -> DeviceFragments:
    """Return the fragments of devices, used on a day by these people."""
    heads, libraries, screens, tails = _profile_fragments()
    profile = people.profile[device]
    app = is_app(people, device)
    anonymous = lasting_uuids(settings.seed, _ANONYMOUS, device)
    ids = anonymous.tolist()
    place = people.place[owner]
    locales = [
        PLACES[p].locales[c % len(PLACES[p].locales)].encode()
        for p, c in zip(place.tolist(), people.locale[owner].tolist(), strict=True)
    ]
    minutes = offsets(settings.start, settings.days)[place, day + 1].tolist()
    zones = [
        PLACES[p].zone.encode() if mobile else zone_text(ahead)
        for p, mobile, ahead in zip(place.tolist(), app.tolist(), minutes, strict=True)
    ]
    moving = np.where(people.profile[device] >= 7, day, 0)
    network = mixed(settings.seed, _NETWORK, device * 4096 + moving) % np.uint64(len(_addresses()))
    pushable = (uniform(settings.seed, _TOKEN, device) < 0.75).tolist()
    ends = [
        b"" if not mobile else i + (b'","token":"example-token-%b"}' % i[:18] if push else b'"}')
        for i, mobile, push in zip(ids, app.tolist(), pushable, strict=True)
    ]
    return DeviceFragments(
        anonymous_id=anonymous,
        head=fragments(
            b'{"anonymousId":"%b%b%b' % (i, head, end)
            for i, head, end in zip(ids, heads[profile].tolist(), ends, strict=True)
        ),
        library=fragments(
            library + locale + (b'"' if mobile else b'","page":{')
            for library, locale, mobile in zip(
                libraries[profile].tolist(), locales, app.tolist(), strict=True
            )
        ),
        screen=screens[profile],
        zone=fragments(b',"timezone":"%b","traits":' % zone for zone in zones),
        tail=tails[profile],
        address=_addresses()[network.astype(np.int64)],
        rudder_id=lasting_uuids(settings.seed, _RUDDER_ANONYMOUS, device),
    )


def rudder_ids(settings: GeneratorSettings, person: Array) -> Array:
    """Return the ``rudderId`` of people who are known by their user id."""
    return lasting_uuids(settings.seed, _RUDDER_KNOWN, person)


def account_age(settings: GeneratorSettings, people: People) -> Array:
    """Return when each person's account was made, in epoch milliseconds; 0 for those without."""
    chance = uniform(settings.seed, _DETAILS, np.arange(len(people.place)))
    start = (settings.start - date(1970, 1, 1)).days * DAY
    made = start - (chance**2 * 1100 * DAY).astype(np.int64) - DAY // 2
    return np.where(people.member & people.existing, made // 1000 * 1000, 0)


def details(settings: GeneratorSettings, person: Array) -> Array:
    """Return a large number per person, from which the details of their traits are drawn."""
    return mixed(settings.seed, _DETAILS + 1, person)


def traits(
    people: People, person: int, chance: int, consent: int, account: bytes, today: date
) -> bytes:
    """Return a person's traits as JSON.

    Given names are common ones; family names mean "example" or "test"; addresses use the domains
    and numbers that are set apart for examples.

    Parameters
    ----------
    chance
        The person's number from `details`.
    consent
        One bit each for email, SMS, push and interests.
    account
        When the account was made.
    today
        The day from which ages are counted.
    """

    def part(size: int) -> int:
        nonlocal chance
        chance, rest = divmod(chance, size)
        return rest

    place = PLACES[int(people.place[person])]
    first_names, last_names = _NAMES[place.locales[0][:2]]
    first, last = first_names[part(len(first_names))], last_names[part(len(last_names))]
    postal = "".join(str(part(10)) if c == "#" else c for c in place.postal)
    address = {
        "city": place.city,
        "country": place.country,
        "postalCode": postal,
        "state": place.state,
    }
    found: dict[str, Any] = {"address": address}
    age = 18 + (part(30) + part(30))
    if part(4):
        found["age"] = age
    else:
        found["birthday"] = f"{today.year - age}-{1 + part(12):02d}-{1 + part(28):02d}"
    company = int(people.company[person])
    if company >= 0:
        found["company"] = {
            "employee_count": 10 + part(400),
            "id": f"c-{company + 1}",
            "name": _COMPANIES[company],
        }
    found["consent"] = {
        "email": bool(consent & 1),
        "push": bool(consent & 4),
        "sms": bool(consent & 2),
    }
    found["createdAt"] = account.decode()
    found["email"] = f"test.person.{FIRST_USER_ID + person}@{_MAIL[part(len(_MAIL))]}"
    found["firstName"] = first
    gender = ("female", "female", "male", "male", "other", "")[part(6)]
    if gender:
        found["gender"] = gender
    if consent & 8:
        favourite = dict.fromkeys(int(category) for category in people.taste[person])
        found["interests"] = [CATEGORIES[category].slug for category in favourite]
    found["lastName"] = last
    found["newsletter"] = bool(consent & 1)
    if part(3):
        found["phone"] = f"+1-555-01{part(100):02d}"
    found["plan"] = _PLANS[part(len(_PLANS))]
    return orjson.dumps(found)


def company_traits(company: int) -> bytes:
    """Return a company's traits as JSON."""
    return json(
        {
            "employees": (company + 1) * 40,
            "name": _COMPANIES[company],
            "plan": ("team", "enterprise")[company % 2],
        }
    )
