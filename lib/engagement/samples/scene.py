"""What the modules that tell journeys share: kinds of events, rows, memory, the scene."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engagement.samples.catalogue import Catalogue
from engagement.samples.people import People
from engagement.samples.text import Array

# fmt: off
NAMES = (
    "page", "screen", "identify", "group", "alias",
    "Products Searched", "Product List Viewed", "Product List Filtered", "Promotion Viewed",
    "Promotion Clicked", "Product Clicked", "Product Viewed", "Product Added", "Product Removed",
    "Cart Viewed", "Checkout Started", "Checkout Step Viewed", "Checkout Step Completed",
    "Payment Info Entered", "Coupon Applied", "Coupon Denied", "Order Completed",
    "Order Refunded", "Order Cancelled", "Product Added to Wishlist", "Product Shared",
    "Product Reviewed", "Signed Up", "Logged In", "odd",
)
(PAGE, SCREEN, IDENTIFY, GROUP, ALIAS, SEARCHED, LISTED, FILTERED, PROMOTION_VIEWED,
 PROMOTION_CLICKED, CLICKED, VIEWED, ADDED, REMOVED, CART_VIEWED, STARTED, STEP_VIEWED,
 STEP_COMPLETED, PAYMENT, COUPON_APPLIED, COUPON_DENIED, COMPLETED, REFUNDED, CANCELLED, WISHED,
 SHARED, REVIEWED, SIGNED_UP, LOGGED_IN, ODD) = range(len(NAMES))
# fmt: on
NOT_TRACKS = (PAGE, SCREEN, IDENTIFY, GROUP, ALIAS)
ABOUT_PRODUCT = (CLICKED, VIEWED, ADDED, WISHED, SHARED)

# Keys put a session's events in order: what comes early, each view, what comes late.
EARLY, VIEWS, STRIDE, LATE, NEVER = 40, 1_000, 20, 1_000_000, 2_000_000_000

SAVED = 4  # products that a cart keeps until the next visit
EMAIL, SMS, PUSH, INTERESTS = 1, 2, 4, 8  # bits of what a person consents to


class Rows:
    """Events as they are thought of, in no order yet."""

    def __init__(self) -> None:
        self.blocks: list[tuple[Any, ...]] = []
        self.singles: list[tuple[int, ...]] = []
        self.told: list[bytes] = []

    def add(
        self,
        session: Array,
        key: Array | int,
        code: int,
        page: Array | int = -1,
        product: Array | int = -1,
        extra: Array | int = 0,
    ) -> None:
        """Add one event to each of some sessions.

        `extra` means what the kind of event makes of it: a quantity, a position, a search.
        """
        self.blocks.append((session, key, code, page, product, extra, -1))

    def tell(
        self, session: int, key: int, code: int, properties: bytes = b"", page: int = -1
    ) -> None:
        """Add one event with its properties (JSON without braces) to one session."""
        self.singles.append((session, key, code, page, len(self.told)))
        self.told.append(properties)

    def sorted(self) -> tuple[Array, ...]:
        """Return session, key, code, page, product, extra, story: by session and key."""
        blocks = list(self.blocks)
        if self.singles:
            session, key, code, page, story = np.array(self.singles).T
            blocks.append((session, key, code, page, -1, 0, story))
        columns = [
            np.concatenate([np.broadcast_to(block[place], len(block[0])) for block in blocks])
            for place in range(7)
        ]
        order = np.lexsort((columns[1], columns[0]))
        return tuple(column[order] for column in columns)


@dataclass(frozen=True)
class Purchase:
    """A person's latest order; lines are products and quantities, money is in cents."""

    when: int
    order_id: bytes
    currency: int
    lines: tuple[tuple[int, int], ...]
    total: int


@dataclass
class Memory:
    """What the shop and the devices remember between sessions.

    Attributes
    ----------
    logged
        Per device: whether its visitor is known.
    account, consent, cart, carts, looked
        Per person: when the account was made (epoch milliseconds, 0 for never), what they consent
        to, products left in the cart, number of the cart, last product looked at (-1 for none).
    seen, identified
        Per person: whether they came at all, and were known when they did.
    """

    logged: Array
    account: Array
    consent: Array
    cart: Array
    carts: Array
    looked: Array
    seen: Array
    identified: Array
    purchases: dict[int, Purchase] = field(default_factory=dict)
    orders: int = 0

    @classmethod
    def fresh(cls, people: People, account: Array, seed: int) -> "Memory":
        """Return what is remembered when the period begins."""
        rng = np.random.default_rng([seed, 3])
        total = len(people.member)
        known = account > 0
        logged = np.zeros(total * 2, dtype=bool)
        logged[np.flatnonzero(known) * 2] = rng.random(int(known.sum())) < 0.55
        logged &= ~people.shared
        return cls(
            logged=logged,
            account=account,
            consent=rng.choice([0, 0, 4, 1, 1, 3, 5, 7, 8, 9, 13, 15], total).astype(np.uint8),
            cart=np.full((total, SAVED), -1, dtype=np.int16),
            carts=np.zeros(total, dtype=np.int16),
            looked=np.full(total, -1, dtype=np.int16),
            seen=np.zeros(total, dtype=bool),
            identified=np.zeros(total, dtype=bool),
        )


@dataclass(frozen=True)
class Scene:
    """Some sessions, each of another person: who, where from, what for. One row per session."""

    goods: Catalogue
    people: People
    memory: Memory
    rng: np.random.Generator
    rows: Rows
    person: Array
    device: Array
    start: Array
    source: Array
    intent: Array
    logged: Array

    @property
    def size(self) -> int:
        """Number of sessions."""
        return len(self.person)
