"""Events as RudderStack writes them: rows become JSON records, fragment by fragment.

Nothing is built up per event but a tuple of byte strings, most of which are shared by all events
of a device, a session or a page view; one ``join`` makes the record. Every fragment comes from a
JSON encoder or holds nothing that needs escaping.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from engagement.samples import dirt as dirty
from engagement.samples import people as persons
from engagement.samples import scene as s
from engagement.samples import sources
from engagement.samples.catalogue import catalogue, page_after
from engagement.samples.delivery import Clock, repeat, stamp
from engagement.samples.dirt import Flag
from engagement.samples.journeys import SHORTEST, Journeys
from engagement.samples.people import People
from engagement.samples.settings import GeneratorSettings
from engagement.samples.text import (
    Array,
    beside,
    fragments,
    joined,
    json,
    mixed,
    times,
    uuids,
)

_ARRIVAL = 80  # salt


@dataclass(frozen=True)
class Records:
    """Records with the time they land (epoch milliseconds), their flags and event codes."""

    landed: Array
    text: Array
    flags: Array
    code: Array

    @classmethod
    def concat(cls, parts: "list[Records]") -> "Records":
        """Return all records, in order of landing."""
        landed = np.concatenate([part.landed for part in parts])
        order = np.argsort(landed, kind="stable")
        return cls(
            landed=landed[order],
            text=np.concatenate([part.text for part in parts])[order],
            flags=np.concatenate([part.flags for part in parts])[order],
            code=np.concatenate([part.code for part in parts])[order],
        )

    def where(self, chosen: Array) -> "Records":
        """Return some of the records."""
        return Records(
            self.landed[chosen], self.text[chosen], self.flags[chosen], self.code[chosen]
        )


def render(
    journeys: Journeys,
    people: People,
    initial: Array,
    settings: GeneratorSettings,
    rng: np.random.Generator,
    spoiler: np.random.Generator,
    day: int,
) -> Records:
    """Return the records of all events, with copies, in no order.

    Parameters
    ----------
    initial
        First referrer of each device.
    rng, spoiler
        Chance for what is ordinary and for what is dirt.
    day
        Number of the received date on which the sessions begin.
    """
    journeys = _with_odd_events(journeys, settings.dirt.odd_names, spoiler)
    size = len(journeys.code)
    flags = _ordinary_flags(journeys)
    clock, shift = stamp(journeys, settings, rng, spoiler, flags)
    spoilt = spoiler.random(size)
    d = settings.dirt
    edges = np.cumsum([d.truncated_lines, d.invalid_utf8, d.unknown_types])
    flags |= np.select(
        [spoilt < edges[0], spoilt < edges[1], spoilt < edges[2]],
        [int(Flag.TRUNCATED), int(Flag.INVALID_UTF8), int(Flag.UNKNOWN_TYPE)],
        0,
    )
    sound = spoilt >= edges[2]
    identity = uuids(rng.integers(0, 256, (size, 16), dtype=np.uint8))

    columns = _columns(journeys, people, initial, settings, day, shift)
    properties = _properties(journeys, people, columns)
    retyped = np.isin(journeys.code, (*s.ABOUT_PRODUCT, s.COMPLETED)) & sound
    retyped &= spoiler.random(size) < d.odd_types
    for row in np.flatnonzero(retyped).tolist():
        plain = properties[row].removeprefix(b'"properties":').removesuffix(b",")
        properties[row] = b'"properties":%b,' % dirty.retype(plain, int(spoiler.integers(2**20)))
    flags[retyped] |= Flag.ODD_TYPE

    kinds = columns.kind
    for row in np.flatnonzero(flags & Flag.UNKNOWN_TYPE).tolist():
        odd = dirty.UNKNOWN_TYPES[int(spoiler.integers(len(dirty.UNKNOWN_TYPES)))]
        kinds[row] = odd + b'"userId":"'

    again, repeated, marks = repeat(clock, settings, spoiler, sound)
    rows = np.concatenate([np.arange(size), again])
    whole = clock.followed_by(repeated)
    flags = np.concatenate([flags, marks])
    text = _assembled(columns, properties, identity, whole, rows)
    for row in np.flatnonzero(flags & Flag.TRUNCATED).tolist():
        text[row] = dirty.truncate(text[row], float(spoiler.random()))
    for row in np.flatnonzero(flags & Flag.INVALID_UTF8).tolist():
        text[row] = dirty.break_utf8(text[row], int(spoiler.integers(4)))
    return Records(whole.landed, text, flags, journeys.code[rows].astype(np.int8))


def _with_odd_events(journeys: Journeys, rate: float, spoiler: np.random.Generator) -> Journeys:
    """Put events with odd names after some of the others."""
    size = len(journeys.code)
    after = np.flatnonzero(spoiler.random(size) < rate)
    if not len(after):
        return journeys
    order = np.insert(np.arange(size), after + 1, after)
    new = np.zeros(len(order), dtype=bool)
    new[after + 1 + np.arange(len(after))] = True
    which = spoiler.integers(0, len(dirty.ODD_EVENTS), len(order))
    return replace(
        journeys,
        session=journeys.session[order],
        code=np.where(new, s.ODD, journeys.code[order]),
        page=np.where(new, -1, journeys.page[order]),
        product=journeys.product[order],
        extra=np.where(new, which, journeys.extra[order]),
        story=np.where(new, -1, journeys.story[order]),
        first=journeys.first[order] & ~new,
        happened=journeys.happened[order] + np.where(new, SHORTEST // 2, 0),
        known=journeys.known[order],
        changed=journeys.changed[order],
    )


def _ordinary_flags(journeys: Journeys) -> Array:
    flags = np.where(journeys.first & ~journeys.bot[journeys.session], int(Flag.SESSION), 0)
    flags |= np.where(journeys.bot[journeys.session], int(Flag.BOT), 0)
    flags |= np.where(journeys.code == s.ODD, int(Flag.ODD_NAME), 0)
    completed = np.flatnonzero(journeys.code == s.COMPLETED)
    session = journeys.session[completed]
    repeated = completed[1:][session[1:] == session[:-1]]
    flags[repeated] |= Flag.REPEATED_ORDER
    return flags


@dataclass(frozen=True)
class _Columns:
    """Fragments per event, in the order of the record, and some that properties need."""

    parts: tuple[Array, ...]
    event: Array
    network: Array
    group: Array
    kind: Array
    user: Array
    page: Array
    anonymous_id: Array


@cache
def _events() -> Array:
    """Return what stands for an event's name, per code."""
    named = [b'"event":%b,' % json(name) for name in s.NAMES]
    for code in (*s.NOT_TRACKS, s.ODD):
        named[code] = b""
    return fragments(named)


@cache
def _kinds() -> Array:
    """Return the type, per code."""
    kinds = ["track"] * len(s.NAMES)
    for code in s.NOT_TRACKS:
        kinds[code] = s.NAMES[code]
    return fragments(b'"type":"%b","userId":"' % kind.encode() for kind in kinds)


def _columns(
    journeys: Journeys,
    people: People,
    initial: Array,
    settings: GeneratorSettings,
    day: int,
    shift: Array,
) -> _Columns:
    session, code = journeys.session, journeys.code
    device = persons.device_fragments(people, settings, journeys.device, journeys.person, day)
    page, campaign = _pages(journeys, initial, settings, day)
    consenting = people.consenting[journeys.device]
    ids = (journeys.start + shift).tolist()
    plain = [
        b',"sessionId":%d' % number if allowed else b""
        for number, allowed in zip(ids, consenting.tolist(), strict=True)
    ]
    begun = [text + b',"sessionStart":true' if text else b"" for text in plain]
    once = fragments(plain + begun)
    sessions = once[session + np.where(journeys.first, len(plain), 0)]

    before, after = _traits(journeys, people, settings)
    none = fragments([b"{}"] * len(journeys.person))
    traits = np.concatenate([none, before, after])[
        session + len(none) * np.where(journeys.known, 1 + journeys.changed, 0)
    ]
    known = persons.rudder_ids(settings, journeys.person)
    rudder = np.concatenate([device.rudder_id, known])
    network = joined(
        np.concatenate([device.address, device.address]),
        [b'","rudderId":"'] * len(rudder),
        rudder,
    )[session + np.where(journeys.known, len(known), 0)]
    ends = [b'"}', b'"}']
    if settings.write_keys:
        ends = [b'","writeKey":%b}' % json(key) for key in settings.write_keys]
    closing = [ends[app] for app in journeys.app.tolist()]
    named = [
        persons.user_id(p) + end for p, end in zip(journeys.person.tolist(), closing, strict=True)
    ]
    user = fragments(closing + named)[session + np.where(journeys.known, len(known), 0)]

    event = _events()[code]
    group = np.empty(len(code), dtype=object)
    group[:] = b""
    for row in np.flatnonzero(code == s.GROUP).tolist():
        company = int(journeys.extra[row])
        event[row] = b'"groupId":"acct-%d",' % (70 + company)
        group[row] = b'"traits":%b,' % persons.company_traits(company)
    for row in np.flatnonzero(code == s.ODD).tolist():
        name = dirty.ODD_EVENTS[int(journeys.extra[row])][0]
        event[row] = b"" if name is None else b'"event":%b,' % json(name)
    screens = code == s.SCREEN
    event[screens] = joined(
        [b'"name":'] * int(screens.sum()),
        catalogue().page_screen[journeys.page[screens]],
        [b","] * int(screens.sum()),
    )
    return _Columns(
        parts=(
            device.head[session],
            campaign,
            device.library[session],
            page,
            device.screen[session],
            sessions,
            device.zone[session],
            traits,
            device.tail[session],
        ),
        event=event,
        network=network,
        group=group,
        kind=_kinds()[code],
        user=user,
        page=page,
        anonymous_id=device.anonymous_id,
    )


def _traits(journeys: Journeys, people: People, settings: GeneratorSettings) -> tuple[Array, Array]:
    """Return each session's traits before and after a change of preferences."""
    before = fragments([b"{}"] * len(journeys.person))
    after = before.copy()
    known = np.flatnonzero(journeys.identifies)
    details = persons.details(settings, journeys.person[known])
    made = times(journeys.account[known])[:, :20].copy()
    made[:, 19] = ord("Z")
    for number, detail, account in zip(
        known.tolist(), details.tolist(), made.view("S20").ravel().tolist(), strict=True
    ):
        person, consent = int(journeys.person[number]), int(journeys.consent[number])
        later = int(journeys.consent_after[number])
        before[number] = persons.traits(people, person, detail, consent, account, settings.start)
        after[number] = (
            before[number]
            if later == consent
            else persons.traits(people, person, detail, later, account, settings.start)
        )
    return before, after


def _pages(
    journeys: Journeys, initial: Array, settings: GeneratorSettings, day: int
) -> tuple[Array, Array]:
    """Return per event the members of ``context.page`` (none in the app) and the campaign."""
    goods = catalogue()
    opens = np.flatnonzero(journeys.page >= 0)
    view = np.cumsum(journeys.page >= 0) - 1
    page, session = journeys.page[opens], journeys.session[opens]
    landing = journeys.first[opens]
    referrer = goods.page_referrer[np.roll(page, 1)]
    referrer[landing] = sources.referrer_members()[journeys.referrer]
    after = goods.page_after[page]
    campaign = np.empty(len(opens), dtype=object)
    campaign[:] = b"{}"
    campaign[journeys.app[session]] = b""
    date = np.datetime64(settings.start, "D") + day
    week = date.item().strftime("%G_w%V")
    month = date.item().strftime("%Y_%m")
    chances = mixed(settings.seed, _ARRIVAL, journeys.start + journeys.person).tolist()
    firsts = np.flatnonzero(landing)
    tagged = np.array(
        [source.utm is not None or source.click_id != "" for source in sources.SOURCES]
    )
    pushed = journeys.app & journeys.identifies & (journeys.start % 7 < 2)
    for place in firsts[(tagged[journeys.source] | pushed)].tolist():
        number = int(session[place])
        if journeys.bot[number]:
            continue
        chance = chances[number]
        if journeys.app[number]:
            origin, medium, name = sources.PUSH
            pushing = {"medium": medium, "name": name.format(month=month), "source": origin}
            campaign[place] = b',"campaign":%b' % json(pushing)
            continue
        source = int(journeys.source[number])
        query, campaign[place] = sources.arrival(source, chance % 7, chance % 5, week, month)
        click = sources.click_id(source, chance)
        if click:
            query = f"{query}&{click}" if query else f"?{click}"
        opened = goods.pages[int(page[place])]
        search = opened.search + "&" + query[1:] if opened.search else query
        after[place] = page_after(opened, search)
        if place + 1 < len(page) and session[place + 1] == number:
            referrer[place + 1] = sources.own_referrer(opened.path + search)
    start = sources.initial_members()[initial[journeys.device]][session]
    body = joined(start, goods.page_before[page], referrer, after)
    body[journeys.app[session]] = b""
    campaign_of = campaign[view]
    # The app tells of a campaign only when it is opened.
    campaign_of[journeys.app[journeys.session] & ~journeys.first] = b""
    return body[view], campaign_of


def _properties(journeys: Journeys, people: People, columns: _Columns) -> Array:
    """Return per event the member ``properties`` with its comma, or what stands in its place."""
    goods = catalogue()
    code, session, extra = journeys.code, journeys.session, journeys.extra
    currency = people.currency[journeys.person].astype(np.int64)[session]
    properties = np.empty(len(code), dtype=object)
    properties[:] = b""
    told = fragments(journeys.told)

    def put(rows: Array, values: Array) -> None:
        count = len(rows)
        properties[rows] = joined([b'"properties":'] * count, values, [b","] * count)

    stories = np.flatnonzero((journeys.story >= 0) & (code != s.PAGE) & (code != s.SCREEN))
    braces = [b'"properties":{'] * len(stories), [b"},"] * len(stories)
    properties[stories] = joined(braces[0], told[journeys.story[stories]], braces[1])
    pages = np.flatnonzero(code == s.PAGE)
    properties[pages] = joined(
        [b'"properties":{'] * len(pages), columns.page[pages], [b"},"] * len(pages)
    )
    screens = np.flatnonzero(code == s.SCREEN)
    names = goods.page_screen[journeys.page[screens]]
    put(screens, joined([b'{"name":'] * len(screens), names, [b"}"] * len(screens)))
    rows = np.flatnonzero(code == s.SEARCHED)
    put(rows, goods.searched[extra[rows]])
    for kind, lists in ((s.LISTED, goods.listed), (s.FILTERED, goods.filtered)):
        rows = np.flatnonzero(code == kind)
        put(rows, lists[currency[rows], journeys.product[rows], extra[rows]])
    rows = np.flatnonzero((code == s.PROMOTION_VIEWED) | (code == s.PROMOTION_CLICKED))
    put(rows, goods.promotions[extra[rows]])
    rows = np.flatnonzero(code == s.SIGNED_UP)
    put(rows, fragments([b'{"method":"email"}'] * len(rows)))
    for row in np.flatnonzero(code == s.ALIAS).tolist():
        properties[row] = b'"previousId":"%b",' % columns.anonymous_id[session[row]]
    for row in np.flatnonzero(code == s.ODD).tolist():
        found = dirty.ODD_EVENTS[int(extra[row])][1]
        properties[row] = b"" if found is None else b'"properties":%b,' % json(found)
    _products(journeys, properties, currency)
    return properties


def _products(journeys: Journeys, properties: Array, currency: Array) -> None:
    """Fill in the properties of events about one product."""
    goods = catalogue()
    code, session, extra = journeys.code, journeys.session, journeys.extra
    rows = np.flatnonzero(np.isin(code, s.ABOUT_PRODUCT) & (journeys.story < 0))
    kind, product, cash = code[rows], journeys.product[rows], currency[rows]
    opening = np.empty(len(rows), dtype=object)
    opening[:] = b'"properties":{'
    opening[kind == s.WISHED] = b'"properties":{"wishlist_id":"wl-1","wishlist_name":"Later",'
    opening[kind == s.SHARED] = b'"properties":{"share_via":"email","share_message":"Look",'
    added = np.flatnonzero(kind == s.ADDED)
    opening[added] = fragments(
        b'"properties":{"cart_id":"%b",' % journeys.cart[number]
        for number in session[rows[added]].tolist()
    )
    numbers = fragments(b"%d" % number for number in range(64))
    position = np.where(kind == s.CLICKED, extra[rows], 1 + product % 12)
    quantity = np.where(kind == s.ADDED, extra[rows], 1)
    properties[rows] = joined(
        opening,
        goods.product_head[cash, product],
        numbers[position],
        goods.product_middle[cash, product],
        numbers[quantity],
        goods.product_tail[cash, product],
        [b","] * len(rows),
    )


def _assembled(
    columns: _Columns, properties: Array, identity: Array, clock: Clock, rows: Array
) -> Array:
    """Join everything into records."""
    stamps = beside(
        b'"integrations":{"All":true},"messageId":"',
        identity[rows],
        b'","originalTimestamp":"',
        times(clock.original),
        b'",',
    )
    arrival = beside(b'"receivedAt":"', times(clock.received), b'","request_ip":"')
    departure = beside(
        b'","sentAt":"',
        times(clock.sent),
        b'","timestamp":"',
        times(clock.corrected),
        b'",',
    )
    return joined(
        *(part[rows] for part in columns.parts),
        columns.event[rows],
        stamps,
        properties[rows],
        arrival,
        columns.network[rows],
        departure,
        columns.group[rows],
        columns.kind[rows],
        columns.user[rows],
    )
