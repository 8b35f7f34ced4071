"""Where visits come from: campaigns, click ids, referrers."""

from dataclasses import dataclass
from functools import cache
from urllib.parse import quote

import numpy as np

from engagement.samples.catalogue import HOST, SITE
from engagement.samples.text import Array, fragments, inside, json


@dataclass(frozen=True)
class Source:
    """One kind of visit.

    Attributes
    ----------
    utm
        UTM parameters; ``{week}`` and ``{month}`` stand for those of the visit's date.
    contents, terms
        Of which one each is drawn.
    click_id
        Name of the click id's parameter.
    referrers
        Of which one is drawn; empty for a visit without referrer.
    new, returning
        Weights among people's first and later visits.
    conversion, bounce
        Factors on the shop's rates.
    landing
        Weights of where such visits begin: home, a list, a product, the sale, a search, a story.
    members_only
        Reaches registered people only.
    """

    name: str
    new: float
    returning: float
    conversion: float
    bounce: float
    landing: tuple[float, ...]
    utm: tuple[str, str, str] | None = None
    terms: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()
    click_id: str = ""
    referrers: tuple[str, ...] = ()
    extra: str = ""
    members_only: bool = False


_GOOGLE = ("https://www.google.com/",)
_META = ("https://m.facebook.com/", "https://l.facebook.com/")
_BLOG = (
    "https://blog.example/%E3%83%A9%E3%83%B3%E3%83%97?q=%E5%92%8C%E7%B4%99&ref=a|b",
    "https://slow-kitchen.example/2026/best-grinders",
    "https://trailnotes.example/gear/jackets?page=2",
)
_INSTAGRAM = ("https://l.instagram.com/",)

# fmt: off
SOURCES = (
    Source("direct", 20, 28, 1.15, 0.9, (60, 15, 15, 5, 5, 0)),
    Source("google organic", 26, 16, 1.0, 1.0, (25, 30, 35, 2, 3, 5), referrers=(
        "https://www.google.com/", "https://www.google.com/", "https://www.google.de/",
        "https://www.google.co.uk/")),
    Source("google brand search", 5, 6, 1.5, 0.7, (70, 20, 5, 5, 0, 0),
        ("google", "cpc", "brand_search"), ("corner shop", "corner shop online"),
        ("ad-1", "ad-2"), "gclid", _GOOGLE),
    Source("google generic search", 7, 2, 0.8, 1.1, (5, 55, 35, 5, 0, 0),
        ("google", "cpc", "generic_{month}"), ("trail tee", "coffee grinder", "earbuds", "tent"),
        ("ad-7", "ad-8", "ad-9"), "gclid", _GOOGLE),
    Source("google shopping", 4, 2, 1.1, 1.0, (0, 10, 90, 0, 0, 0),
        ("google", "cpc", "shopping_all"), (), (), "gclid", _GOOGLE),
    Source("google auto-tagged", 1, 0.5, 1.0, 1.0, (30, 40, 30, 0, 0, 0), None, (), (), "gclid",
        _GOOGLE),
    Source("bing organic", 2, 1.5, 1.0, 1.0, (40, 30, 30, 0, 0, 0),
        referrers=("https://www.bing.com/",)),
    Source("bing search ads", 1.5, 1, 1.1, 1.0, (40, 40, 20, 0, 0, 0),
        ("bing", "cpc", "brand_search"), ("corner shop",), ("ad-3",), "msclkid",
        ("https://www.bing.com/",)),
    Source("other search", 1.5, 1.2, 1.0, 1.0, (40, 30, 30, 0, 0, 0),
        referrers=("https://duckduckgo.com/", "https://search.yahoo.com/",
        "https://www.ecosia.org/")),
    Source("facebook ads", 6, 2.5, 0.55, 1.35, (5, 30, 50, 15, 0, 0),
        ("facebook", "paid_social", "prospecting_{month}"), (), ("carousel-1", "video-2"),
        "fbclid", _META),
    Source("instagram ads", 4, 2, 0.5, 1.4, (5, 30, 55, 10, 0, 0),
        ("instagram", "paid_social", "prospecting_{month}"), (), ("story-1", "reel-4"),
        "fbclid", _INSTAGRAM),
    Source("facebook retargeting", 0.3, 3, 1.2, 0.9, (0, 10, 80, 10, 0, 0),
        ("facebook", "retargeting", "cart_reminder"), (), ("dynamic-1",), "fbclid", _META),
    Source("tiktok ads", 2, 0.4, 0.35, 1.5, (5, 25, 60, 10, 0, 0),
        ("tiktok", "paid_social", "creators_{month}"), (), ("spark-3",), "ttclid",
        ("https://www.tiktok.com/",)),
    Source("organic social", 5, 3, 0.6, 1.3, (20, 10, 50, 0, 0, 20), referrers=(
        "https://m.facebook.com/", "https://l.instagram.com/", "https://t.co/",
        "https://www.pinterest.com/", "https://www.reddit.com/", "https://www.linkedin.com/")),
    Source("youtube", 1.5, 0.6, 0.6, 1.2, (30, 10, 50, 0, 0, 10),
        referrers=("https://www.youtube.com/",)),
    Source("youtube ads", 0.8, 0.2, 0.5, 1.4, (40, 20, 40, 0, 0, 0),
        ("youtube", "cpv", "autumn_film"), (), ("preroll-15s",), "gclid",
        ("https://www.youtube.com/",)),
    Source("newsletter", 0.2, 11, 1.5, 0.8, (20, 40, 25, 15, 0, 0),
        ("newsletter", "email", "newsletter_{week}"), (), ("hero", "tile-2", "footer"),
        members_only=True),
    Source("cart reminder", 0, 2, 2.2, 0.6, (0, 0, 100, 0, 0, 0),
        ("crm", "email", "abandoned_cart"), (), ("step-1", "step-2"), members_only=True),
    Source("webmail", 0.5, 1.2, 1.1, 0.9, (40, 20, 40, 0, 0, 0),
        referrers=("https://mail.google.com/", "https://outlook.live.com/")),
    Source("sms", 0.1, 1.2, 1.3, 0.9, (10, 30, 20, 40, 0, 0), ("sms", "sms", "flash_{month}"),
        members_only=True),
    Source("affiliates", 2, 1.5, 1.3, 0.9, (10, 40, 40, 10, 0, 0),
        ("dealhunter", "affiliate", "always_on"), (), ("banner-a", "text-link"),
        extra="&utm_id=aff-204", referrers=("https://dealhunter.example/", "")),
    Source("display", 2.5, 1.2, 0.35, 1.5, (15, 35, 40, 10, 0, 0),
        ("adnetwork", "display", "awareness_{month}"), (), ("mpu", "leaderboard", "skyscraper"),
        extra="&dclid=example-display"),
    Source("blogs", 3.5, 1.5, 0.9, 1.0, (10, 20, 40, 0, 0, 30), referrers=_BLOG),
    Source("assistants", 1, 0.6, 1.2, 0.9, (20, 30, 45, 0, 0, 5),
        referrers=("https://chatgpt.com/",)),
    Source("own pages", 0.3, 2.5, 1.0, 0.9, (30, 35, 35, 0, 0, 0),
        referrers=(f"{SITE}/c/kitchen", f"{SITE}/")),
    Source("leaflet", 0.5, 0.3, 0.9, 1.1, (60, 0, 0, 40, 0, 0),
        ("leaflet", "qr", "neighbourhood")),
)
PUSH = ("app", "push", "back_in_stock_{month}")
# fmt: on

DIRECT = 0
REMINDERS = tuple(n for n, s in enumerate(SOURCES) if s.name in ("cart reminder", "newsletter"))


def referring_domain(referrer: str) -> str:
    """Return the host of a referrer, empty without one."""
    return referrer.split("/")[2] if "//" in referrer else ""


@cache
def referrers() -> tuple[str, ...]:
    """Return all referrers; the first one stands for none, as the SDK writes it."""
    found = dict.fromkeys(r for source in SOURCES for r in source.referrers if r)
    return ("$direct", *found)


@cache
def referrer_choices() -> tuple[tuple[int, ...], ...]:
    """Return for each source the positions in `referrers` of which one is drawn."""
    place = {referrer: number for number, referrer in enumerate(referrers())} | {"": 0}
    return tuple(tuple(place[r] for r in source.referrers) or (0,) for source in SOURCES)


@cache
def referrer_members() -> Array:
    """Return the end of ``referrer`` and ``referring_domain`` of a page, per referrer."""
    return fragments(
        b'%b","referring_domain":%b,' % (inside(r), json(referring_domain(r))) for r in referrers()
    )


@cache
def initial_members() -> Array:
    """Return ``initial_referrer`` and ``initial_referring_domain`` of a page, per referrer."""
    outside = [r if referring_domain(r) != HOST else "$direct" for r in referrers()]
    return fragments(
        b'"initial_referrer":%b,"initial_referring_domain":%b,'
        % (json(r), json(referring_domain(r)))
        for r in outside
    )


@cache
def arrival(source: int, content: int, term: int, week: str, month: str) -> tuple[str, bytes]:
    """Return the query string of a visit's first page, less its click id, and the campaign.

    The campaign is what the SDK makes of the UTM parameters: ``utm_campaign`` becomes ``name``,
    unknown ``utm_`` parameters are kept, ``{}`` without any.
    """
    kind = SOURCES[source]
    if kind.utm is None:
        return "", b"{}"
    origin, medium, campaign = kind.utm
    name = campaign.format(week=week, month=month)
    found = {"source": origin, "medium": medium, "name": name}
    query = f"?utm_source={quote(origin)}&utm_medium={quote(medium)}&utm_campaign={quote(name)}"
    if kind.terms:
        found["term"] = kind.terms[term % len(kind.terms)]
        query += f"&utm_term={quote(found['term'])}"
    if kind.contents:
        found["content"] = kind.contents[content % len(kind.contents)]
        query += f"&utm_content={quote(found['content'])}"
    if kind.extra.startswith("&utm_id="):
        found["id"] = kind.extra.removeprefix("&utm_id=")
    return query + kind.extra, json(dict(sorted(found.items())))


def click_id(source: int, chance: int) -> str:
    """Return the click id of a visit as a query parameter, empty if the source has none."""
    name = SOURCES[source].click_id
    if not name:
        return ""
    lead = {"gclid": "Cj0KCQiA_example-", "fbclid": "IwAR_example-"}.get(name, "example-")
    return f"{name}={lead}{chance % 2**32:08x}"


@cache
def weights() -> tuple[Array, Array, Array]:
    """Return per source the weights of first and of later visits, and who it can reach."""
    return (
        np.array([source.new for source in SOURCES]),
        np.array([source.returning for source in SOURCES]),
        np.array([source.members_only for source in SOURCES]),
    )


def own_referrer(address: str) -> bytes:
    """Return the end of ``referrer`` and ``referring_domain`` for a page of the shop itself."""
    return b'%b","referring_domain":"%b",' % (inside(SITE + address), HOST.encode())
