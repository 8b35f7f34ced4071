"""What people do in their sessions, put together: events in order of time.

Everything up to the cart is drawn for all sessions at once. From the cart on, and for the rarer
things people do (refunds, reviews), a session is told step by step: there are few.
"""

from dataclasses import dataclass

import numpy as np

from engagement.samples import catalogue as shop
from engagement.samples import scene as s
from engagement.samples.browsing import browse
from engagement.samples.buying import look_after, shop_on
from engagement.samples.people import People, is_app
from engagement.samples.scene import Memory, Rows, Scene
from engagement.samples.text import Array
from engagement.samples.visits import BOUNCE, BUY, CRAWL, Visits

SHORTEST = 60  # milliseconds between two events of a session
_LONGEST = 9 * 60_000

# Milliseconds from the event before to this one: median, and spread of the logarithm.
# fmt: off
_PAUSES = {
    s.PAGE: (15_000, 1.0), s.SCREEN: (9_000, 0.9), s.IDENTIFY: (7_000, 0.6),
    s.GROUP: (120, 0.4), s.ALIAS: (110, 0.4), s.FILTERED: (9_000, 0.7),
    s.PROMOTION_CLICKED: (5_000, 0.7), s.CLICKED: (8_000, 0.8), s.ADDED: (14_000, 0.9),
    s.REMOVED: (8_000, 0.6), s.STEP_COMPLETED: (24_000, 0.6), s.PAYMENT: (30_000, 0.6),
    s.COUPON_APPLIED: (9_000, 0.5), s.COUPON_DENIED: (9_000, 0.5), s.REFUNDED: (40_000, 0.5),
    s.CANCELLED: (25_000, 0.5), s.WISHED: (9_000, 0.7), s.SHARED: (12_000, 0.7),
    s.REVIEWED: (60_000, 0.6),
}
# fmt: on
_AT_ONCE = (170, 0.5)
_MEDIAN = np.array([float(_PAUSES.get(code, _AT_ONCE)[0]) for code in range(len(s.NAMES))])
_SPREAD = np.array([_PAUSES.get(code, _AT_ONCE)[1] for code in range(len(s.NAMES))])


@dataclass(frozen=True)
class Journeys:
    """Events of some sessions, in order of session and time.

    Attributes
    ----------
    session, code, page, product, extra
        One row per event: its session, what it is, the page or screen it opens (-1 for none), what
        it is about.
    story
        Position of the event's ready properties in `told`, or -1.
    first, happened
        Whether it is its session's first event, and its true time in epoch milliseconds.
    known, changed
        Whether it carries the user id, and the traits after the session's change of preferences.
    told
        Ready properties, as JSON without braces.
    person, device, start, source, referrer, app, bot, consent, consent_after, account, identifies
        One row per session; `account` is when the account was made, `identifies` whether any event
        carries the user id.
    cart
        Cart ids, per session.
    """

    session: Array
    code: Array
    page: Array
    product: Array
    extra: Array
    story: Array
    first: Array
    happened: Array
    known: Array
    changed: Array
    told: list[bytes]
    person: Array
    device: Array
    start: Array
    source: Array
    referrer: Array
    app: Array
    bot: Array
    consent: Array
    consent_after: Array
    account: Array
    identifies: Array
    cart: list[bytes]


def wander(
    people: People,
    memory: Memory,
    visits: Visits,
    chosen: Array,
    rng: np.random.Generator,
    items_per_order: float,
) -> Journeys:
    """Play the chosen visits, each of another person, and remember how they ended."""
    person, device = visits.person[chosen], visits.device[chosen]
    scene = Scene(
        goods=shop.catalogue(),
        people=people,
        memory=memory,
        rng=rng,
        rows=Rows(),
        person=person,
        device=device,
        start=visits.start[chosen],
        source=visits.source[chosen],
        intent=visits.intent[chosen],
        logged=memory.logged[device],
    )
    carts = [
        b"cart-%d-%d" % (number + 1, count)
        for number, count in zip(person.tolist(), memory.carts[person].tolist(), strict=True)
    ]
    identify_key, created = _sign_in(scene)
    change_key, consent = _change_preferences(scene)
    added = browse(scene, items_per_order)
    shop_on(scene, carts, added)
    look_after(scene)

    session, key, code, page, product, extra, story = scene.rows.sorted()
    app, bot = is_app(people, device), scene.intent == CRAWL
    code = np.where((code == s.PAGE) & app[session], s.SCREEN, code)
    first = np.ones(len(session), dtype=bool)
    first[1:] = session[1:] != session[:-1]
    happened = scene.start[session] + _elapsed(rng, session, code, first, bot)

    consent_before = memory.consent[person]
    identifies = identify_key < s.NEVER
    signed_up = np.zeros(scene.size, dtype=np.int64)
    signed_up[session[code == s.IDENTIFY]] = happened[code == s.IDENTIFY]
    account = np.where(created, signed_up // 1000 * 1000, memory.account[person])
    memory.account[person] = account
    memory.consent[person] = consent
    memory.logged[device] = identifies & ~people.shared[device]
    memory.seen[person] = True
    memory.identified[person] |= identifies
    return Journeys(
        session=session,
        code=code,
        page=page,
        product=product,
        extra=extra,
        story=story,
        first=first,
        happened=happened,
        known=key >= identify_key[session],
        changed=key >= change_key[session],
        told=scene.rows.told,
        person=person,
        device=device,
        start=scene.start,
        source=scene.source,
        referrer=visits.referrer[chosen],
        app=app,
        bot=bot,
        consent=consent_before,
        consent_after=consent,
        account=account,
        identifies=identifies,
        cart=carts,
    )


def _elapsed(
    rng: np.random.Generator, session: Array, code: Array, first: Array, bot: Array
) -> Array:
    """Return milliseconds from the session's start to each event."""
    size = len(session)
    pause = _MEDIAN[code] * np.exp(_SPREAD[code] * rng.standard_normal(size))
    pause = np.where(bot[session], 700 + 2_000 * rng.random(size), pause)
    pause = np.clip(pause, SHORTEST, _LONGEST).astype(np.int64)
    pause[first] = 20
    total = np.cumsum(pause)
    elapsed: Array = total - (total - pause)[first][np.cumsum(first) - 1]
    return elapsed


def _sign_in(scene: Scene) -> tuple[Array, Array]:
    """Sign in or up; return from which key on people are known, and who made an account."""
    rows, rng, people = scene.rows, scene.rng, scene.people
    has_account = scene.memory.account[scene.person] > 0
    chance = np.array([0.0, 0.2, 0.5, 0.9, 0.0])[scene.intent] * np.where(has_account, 1.0, 0.85)
    signing_in = people.member[scene.person] & ~scene.logged & (rng.random(scene.size) < chance)
    at_checkout = (scene.intent == BUY) & (rng.random(scene.size) < 0.6)
    begin = np.where(at_checkout, s.LATE + 40, s.EARLY)
    created = signing_in & ~has_account

    who = np.flatnonzero(signing_in)
    key, new = begin[who], created[who]
    rows.add(who, key, s.PAGE, np.where(new, shop.REGISTER, shop.LOGIN))
    rows.add(who, key + 2, s.IDENTIFY)
    linked = new & (rng.random(len(who)) < 0.08)
    rows.add(who[linked], key[linked] + 3, s.ALIAS)
    company = people.company[scene.person[who]]
    firms = company >= 0
    rows.add(who[firms], key[firms] + 4, s.GROUP, extra=company[firms])
    rows.add(who[new], key[new] + 5, s.SIGNED_UP)
    rows.add(who[~new], key[~new] + 5, s.LOGGED_IN)
    known_from = np.where(signing_in, begin + 2, s.NEVER)
    return np.where(scene.logged, -1, known_from), created


def _change_preferences(scene: Scene) -> tuple[Array, Array]:
    """Change what one consents to; return from which key on, and all consents after it."""
    rng, consent = scene.rng, scene.memory.consent[scene.person]
    changing = scene.logged & (scene.intent != BOUNCE) & (rng.random(scene.size) < 0.025)
    who = np.flatnonzero(changing)
    scene.rows.add(who, s.EARLY + 30, s.PAGE, shop.PREFERENCES)
    scene.rows.add(who, s.EARLY + 32, s.IDENTIFY)
    flips = rng.choice([s.EMAIL, s.SMS, s.EMAIL | s.SMS, s.PUSH, s.INTERESTS], scene.size)
    consent = np.where(changing, consent ^ flips.astype(np.uint8), consent)
    return np.where(changing, s.EARLY + 32, s.NEVER), consent
