"""What people look at: pages, lists, searches, products, up to what they put in the cart."""

from dataclasses import dataclass

import numpy as np

from engagement.samples import catalogue as shop
from engagement.samples import scene as s
from engagement.samples.catalogue import CATEGORIES
from engagement.samples.scene import Scene
from engagement.samples.sources import SOURCES
from engagement.samples.text import Array, drawn
from engagement.samples.visits import BOUNCE, BROWSE, BUY, CRAWL, FILL

HOME, LIST, PRODUCT, SALE, SEARCH, STORY = range(6)  # where a visit begins

Added = dict[int, list[tuple[int, int]]]


@dataclass(frozen=True)
class _Views:
    """Products looked at: the session, the place within it, the product, its category."""

    session: Array
    place: Array
    product: Array
    category: Array

    @property
    def key(self) -> Array:
        return s.VIEWS + self.place * s.STRIDE


def browse(scene: Scene, items_per_order: float) -> Added:
    """Play all up to the cart; return the products and quantities added, per session."""
    rng, intent, size = scene.rng, scene.intent, scene.size
    kept = scene.memory.cart[scene.person, 0] >= 0
    wanted = np.minimum(1 + rng.poisson(max(items_per_order - 1, 0.01), size), 8)
    adds = np.select(
        [intent == BUY, intent == FILL],
        [
            np.where(kept & (rng.random(size) < 0.5), 0, wanted),
            1 + rng.poisson(0.35, size),
        ],
        0,
    )
    landing = _landing(scene)
    counts = np.select(
        [intent == BOUNCE, intent == BROWSE, intent == CRAWL],
        [
            np.zeros(size, dtype=np.int64),
            np.minimum(rng.geometric(0.5, size) - (rng.random(size) < 0.2), 12),
            rng.integers(5, 26, size),
        ],
        adds + rng.poisson(1.1, size),
    )
    counts = np.where(landing == PRODUCT, np.maximum(counts, 1), counts)
    focus = scene.people.taste[scene.person, drawn(rng, (0.55, 0.28, 0.17), size)]
    focus = focus.astype(np.int64)
    views = _choose(scene, counts, focus)
    _arrive(scene, views, landing, focus)
    _look_around(scene, views, landing)
    last = np.ones(len(views.session), dtype=bool)
    last[:-1] = views.session[1:] != views.session[:-1]
    scene.memory.looked[scene.person[views.session[last]]] = views.product[last]
    return _add(scene, views, adds)


def _landing(scene: Scene) -> Array:
    edges = np.cumsum([np.array(source.landing) / sum(source.landing) for source in SOURCES], 1)
    landing = (edges[scene.source] < scene.rng.random(scene.size)[:, None]).sum(axis=1)
    return np.where(scene.intent == CRAWL, HOME, np.minimum(landing, STORY))


def _choose(scene: Scene, counts: Array, focus: Array) -> _Views:
    """Choose what is looked at: mostly by taste, sometimes what was looked at last time."""
    rng = scene.rng
    session = np.repeat(np.arange(scene.size), counts)
    place = np.arange(len(session)) - np.repeat(np.cumsum(counts) - counts, counts)
    who = scene.person[session]
    luck = rng.random(len(session))
    category = np.select(
        [luck < 0.72, luck < 0.9],
        [focus[session], scene.people.taste[who, rng.integers(0, 3, len(session))]],
        rng.integers(0, len(CATEGORIES), len(session)),
    )
    style = scene.people.style[who]
    product = scene.goods.choose(category, style, rng.random(len(session)))
    looked = scene.memory.looked[who]
    again = (place == 0) & (looked >= 0) & (rng.random(len(session)) < 0.3)
    product = np.where(again, looked, product)
    return _Views(session, place, product, scene.goods.category_of[product])


def _arrive(scene: Scene, views: _Views, landing: Array, focus: Array) -> None:
    """Open the first page."""
    rows, rng, intent, goods = scene.rows, scene.rng, scene.intent, scene.goods
    everyone = np.arange(scene.size)
    starts = np.flatnonzero((views.place == 0) & (landing[views.session] == PRODUCT))
    product = np.zeros(scene.size, dtype=np.int64)
    product[views.session[starts]] = views.product[starts]
    wanted = _search(scene, focus, 1.0)
    opened = np.select(
        [landing == LIST, landing == PRODUCT, landing == SALE, landing == SEARCH, landing == STORY],
        [
            goods.category_page[focus],
            goods.product_page[product],
            np.full(scene.size, shop.SALE),
            goods.search_page[wanted],
            np.full(scene.size, shop.STORY),
        ],
        shop.HOME,
    )
    rows.add(everyone, 0, s.PAGE, opened)
    lists = everyone[landing == LIST]
    rows.add(lists, 1, s.LISTED, product=focus[lists], extra=rng.integers(0, 3, len(lists)))
    searching = everyone[landing == SEARCH]
    rows.add(searching, 1, s.SEARCHED, extra=wanted[searching])
    luck = rng.random(scene.size)
    which = rng.integers(0, len(shop.PROMOTIONS), scene.size)
    promoted = everyone[(landing == HOME) & (luck < 0.4) & (intent != CRAWL)]
    rows.add(promoted, 2, s.PROMOTION_VIEWED, extra=which[promoted])
    clicked = promoted[(luck[promoted] < 0.05) & (intent[promoted] != BOUNCE)]
    rows.add(clicked, 3, s.PROMOTION_CLICKED, extra=which[clicked])
    rows.add(clicked, 4, s.PAGE, shop.SALE)
    helped = everyone[(intent == BROWSE) & (rng.random(scene.size) < 0.05)]
    rows.add(helped, s.LATE + 300, s.PAGE, shop.HELP)
    # Some only look at a list and leave.
    lonely = np.setdiff1d(everyone[(intent == BROWSE) & (landing != LIST)], views.session)
    rows.add(lonely, s.VIEWS, s.PAGE, goods.category_page[focus[lonely]])
    rows.add(lonely, s.VIEWS + 1, s.LISTED, product=focus[lonely])


def _search(scene: Scene, group: Array, steepness: float) -> Array:
    """Draw a search of each group (category, or what finds nothing); the first are popular."""
    ranges = scene.goods.search_range[group]
    luck = scene.rng.random(len(group)) ** steepness
    search: Array = ranges[:, 0] + (luck * (ranges[:, 1] - ranges[:, 0])).astype(np.int64)
    return search


def _look_around(scene: Scene, views: _Views, landing: Array) -> None:
    """Find products by lists and searches, look at them, wish for some, share some."""
    rows, rng, goods = scene.rows, scene.rng, scene.goods
    session, key, product, category = views.session, views.key, views.product, views.category
    size = len(session)
    landed = (views.place == 0) & (landing[session] == PRODUCT)
    crawl = scene.intent[session] == CRAWL
    luck = rng.random(size)
    from_list = (views.place == 0) & (landing[session] == LIST)
    by_list = ~landed & ~from_list & (luck < 0.36)
    by_search = ~landed & ~by_list & (luck < 0.52) & ~crawl

    lists = np.flatnonzero(by_list)
    rows.add(session[lists], key[lists], s.PAGE, goods.category_page[category[lists]])
    part = rng.integers(0, 3, size)
    lists = np.flatnonzero(by_list & ~crawl)
    rows.add(session[lists], key[lists] + 1, s.LISTED, product=category[lists], extra=part[lists])
    lists = lists[rng.random(len(lists)) < 0.14]
    rows.add(session[lists], key[lists] + 2, s.FILTERED, product=category[lists], extra=part[lists])
    typed = np.flatnonzero(by_search)
    vain = typed[rng.random(len(typed)) < 0.15]
    nothing = np.full(len(vain), len(CATEGORIES))
    for found, shift, group in ((vain, 3, nothing), (typed, 5, category[typed])):
        search = _search(scene, group, 1.7)
        rows.add(session[found], key[found] + shift, s.PAGE, goods.search_page[search])
        rows.add(session[found], key[found] + shift + 1, s.SEARCHED, extra=search)
    clicked = np.flatnonzero((by_list | by_search) & ~crawl & (rng.random(size) < 0.3))
    position = 1 + rng.integers(0, 12, len(clicked))
    rows.add(
        session[clicked], key[clicked] + 7, s.CLICKED, product=product[clicked], extra=position
    )

    opened = np.flatnonzero(~landed)
    rows.add(session[opened], key[opened] + 8, s.PAGE, goods.product_page[product[opened]])
    rows.add(session, key + 9, s.VIEWED, product=product)
    luck = rng.random(size)
    wished = np.flatnonzero(~crawl & (luck < 0.025) & (scene.intent[session] != BOUNCE))
    rows.add(session[wished], key[wished] + 12, s.WISHED, product=product[wished])
    shared = np.flatnonzero(~crawl & (luck > 0.991))
    rows.add(session[shared], key[shared] + 13, s.SHARED, product=product[shared])


def _add(scene: Scene, views: _Views, adds: Array) -> Added:
    """Add some of what was looked at to the cart."""
    rng, session = scene.rng, views.session
    rank = np.empty(len(session), dtype=np.int64)
    rank[np.lexsort((rng.random(len(session)), session))] = views.place
    rows = np.flatnonzero(rank < adds[session])
    quantity = 1 + (rng.random(len(rows)) < 0.16) + (rng.random(len(rows)) < 0.04)
    scene.rows.add(
        session[rows], views.key[rows] + 10, s.ADDED, product=views.product[rows], extra=quantity
    )
    added: Added = {}
    for number, product, count in zip(
        session[rows].tolist(), views.product[rows].tolist(), quantity.tolist(), strict=True
    ):
        added.setdefault(number, []).append((product, count))
    return added
