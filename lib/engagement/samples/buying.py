"""What becomes of carts and orders, session by session.

Money is in cents of the order's currency::

    subtotal = revenue = sum of price x quantity
    discount = coupon's percentage of the subtotal, rounded half up
    shipping = 4.95 below 60.00 after the discount, else 0
    tax      = percentage of the customer's state, of subtotal - discount, rounded half up
    total    = subtotal - discount + shipping + tax
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from engagement.samples import catalogue as shop
from engagement.samples import scene as s
from engagement.samples.browsing import Added
from engagement.samples.catalogue import CURRENCIES, Catalogue
from engagement.samples.people import PLACES, is_app
from engagement.samples.scene import Purchase, Rows, Scene
from engagement.samples.text import DAY, json, money
from engagement.samples.visits import BUY, FILL, is_sale

FREE_SHIPPING, SHIPPING = 6000, 495
_REVIEWS = (
    "Broke after a week.",
    "Not what I expected – the colour is off.",
    "It's OK.\nDelivery took a while.",
    'Good value, would buy again. "Solid".',
    "Wunderschön! ⭐⭐⭐⭐⭐",
)


@dataclass(frozen=True)
class Order:
    """What is ordered and what it costs."""

    goods: Catalogue
    number: int
    currency: int
    lines: tuple[tuple[int, int], ...]
    tax_percent: int
    coupon: str = ""
    coupon_percent: int = 0
    affiliation: str = "Web Store"

    @property
    def order_id(self) -> bytes:
        """The order's id."""
        return b"ord-%d" % (100_000 + self.number)

    @property
    def checkout_id(self) -> bytes:
        """The checkout's id."""
        return b"chk-%d" % (100_000 + self.number)

    @property
    def subtotal(self) -> int:
        """Sum of price times quantity."""
        return _worth(self.goods, self.currency, self.lines)

    @property
    def discount(self) -> int:
        """What the coupon takes off."""
        return (self.subtotal * self.coupon_percent + 50) // 100

    @property
    def shipping(self) -> int:
        """What delivery costs."""
        return 0 if self.subtotal - self.discount >= FREE_SHIPPING else SHIPPING

    @property
    def tax(self) -> int:
        """Sales tax on top of the prices."""
        return ((self.subtotal - self.discount) * self.tax_percent + 50) // 100

    @property
    def total(self) -> int:
        """What is paid."""
        return self.subtotal - self.discount + self.shipping + self.tax

    def started(self) -> bytes:
        """Return the properties of Checkout Started, without braces."""
        return b'"currency":"%b","order_id":"%b","products":[%b],"value":%b' % (
            CURRENCIES[self.currency].encode(),
            self.order_id,
            _lines(self.goods, self.currency, self.lines),
            money(self.subtotal),
        )

    def completed(self) -> bytes:
        """Return the properties of Order Completed, without braces."""
        return (
            b'"affiliation":"%b","checkout_id":"%b",%b"currency":"%b","discount":%b,'
            b'"order_id":"%b","products":[%b],"revenue":%b,"shipping":%b,"subtotal":%b,"tax":%b,'
            b'"total":%b'
        ) % (
            self.affiliation.encode(),
            self.checkout_id,
            b'"coupon":"%b",' % self.coupon.encode() if self.coupon else b"",
            CURRENCIES[self.currency].encode(),
            money(self.discount),
            self.order_id,
            _lines(self.goods, self.currency, self.lines),
            money(self.subtotal),
            money(self.shipping),
            money(self.subtotal),
            money(self.tax),
            money(self.total),
        )

    def coupon_applied(self) -> bytes:
        """Return the properties of Coupon Applied, without braces."""
        coupon = self.coupon.encode()
        return b'"order_id":"%b","coupon_id":"%b","coupon_name":"%b","discount":%b' % (
            self.order_id,
            coupon.lower(),
            coupon,
            money(self.discount),
        )

    def coupon_denied(self, code: str) -> bytes:
        """Return the properties of Coupon Denied, without braces."""
        return b'"order_id":"%b","coupon_name":%b,"reason":"Coupon is not valid"' % (
            self.order_id,
            json(code),
        )


def shop_on(scene: Scene, carts: Sequence[bytes], added: Added) -> None:
    """Tell what happens to carts: looked at, thinned out, left behind or ordered."""
    memory, people, goods = scene.memory, scene.people, scene.goods
    sessions = np.flatnonzero((scene.intent == BUY) | (scene.intent == FILL))
    chances = scene.rng.random((len(sessions), 10)).tolist()
    app = is_app(people, scene.device)
    for session, luck in zip(sessions.tolist(), chances, strict=True):
        who = int(scene.person[session])
        currency = int(people.currency[who])
        quantities = {product: 1 for product in memory.cart[who].tolist() if product >= 0}
        for product, quantity in added.get(session, ()):
            quantities[product] = quantities.get(product, 0) + quantity
        buying = bool(scene.intent[session] == BUY)
        if luck[0] < (0.85 if buying else 0.6):
            _look_at_cart(scene, session, carts[session], currency, quantities, luck[9])
        if buying or luck[1] < 0.38:
            memory.orders += 1
            coupon, percent = _coupon(int(scene.start[session]), luck[7], luck[8])
            order = Order(
                goods,
                memory.orders,
                currency,
                tuple(quantities.items()),
                PLACES[int(people.place[who])].tax,
                coupon,
                percent,
                "Mobile App" if app[session] else "Web Store",
            )
            _enter_coupon(scene.rows, order, session, luck[2], luck[3])
            reached = 4 if buying else int(luck[4] * 4)
            _check_out(scene.rows, order, session, reached, luck[5])
        if not buying:
            left = [*quantities, *([-1] * s.SAVED)]
            memory.cart[who] = left[: s.SAVED]
            continue
        memory.cart[who] = -1
        memory.carts[who] += 1
        if not _after_order(scene.rows, order, session, luck[6]):
            memory.purchases[who] = Purchase(
                int(scene.start[session]), order.order_id, currency, order.lines, order.total
            )


def _look_at_cart(
    scene: Scene,
    session: int,
    cart: bytes,
    currency: int,
    quantities: dict[int, int],
    luck: float,
) -> None:
    """Look at the cart, perhaps take something out of it."""
    rows, goods = scene.rows, scene.goods
    products = _lines(goods, currency, quantities.items())
    rows.tell(session, s.LATE, s.PAGE, page=shop.CART)
    properties = b'"cart_id":"%b","products":[%b]' % (cart, products)
    rows.tell(session, s.LATE + 1, s.CART_VIEWED, properties)
    if len(quantities) > 1 and luck < 0.13:
        removed, quantity = next(iter(quantities.items()))
        del quantities[removed]
        line = goods.line(removed, currency, 1, quantity)
        rows.tell(session, s.LATE + 2, s.REMOVED, b'"cart_id":"%b",%b' % (cart, line[1:-1]))


def _coupon(start: int, luck: float, which: float) -> tuple[str, int]:
    """Return a coupon and its percentage; most orders have none, more have one in a sale."""
    sale = is_sale(np.datetime64(start, "ms").astype("datetime64[D]").item())
    if luck >= (0.45 if sale else 0.2):
        return "", 0
    return shop.COUPONS[-1] if sale else shop.COUPONS[int(which * (len(shop.COUPONS) - 1))]


def _enter_coupon(rows: Rows, order: Order, session: int, luck: float, which: float) -> None:
    if order.coupon and luck < 0.1:
        refused = shop.REFUSED_COUPONS[int(which * len(shop.REFUSED_COUPONS))]
        rows.tell(session, s.LATE + 70, s.COUPON_DENIED, order.coupon_denied(refused))
    if order.coupon:
        rows.tell(session, s.LATE + 71, s.COUPON_APPLIED, order.coupon_applied())


def _check_out(rows: Rows, order: Order, session: int, reached: int, luck: float) -> None:
    """Go through the checkout as far as it went; 4 is an order."""
    method = shop.PAYMENT_METHODS[_pick(shop.PAYMENT_WEIGHTS, luck)].encode()
    step = b'"checkout_id":"%b","step":%d,"shipping_method":"standard"%b'
    first, second = step % (order.checkout_id, 1, b""), step % (order.checkout_id, 2, b"")
    paid = step % (order.checkout_id, 2, b',"payment_method":"%b"' % method)
    rows.tell(session, s.LATE + 60, s.PAGE, page=shop.CHECKOUT)
    rows.tell(session, s.LATE + 61, s.STARTED, order.started())
    rows.tell(session, s.LATE + 62, s.STEP_VIEWED, first)
    if reached >= 1:
        rows.tell(session, s.LATE + 80, s.STEP_COMPLETED, first)
        rows.tell(session, s.LATE + 81, s.STEP_VIEWED, second)
    if reached >= 2:
        rows.tell(session, s.LATE + 82, s.PAYMENT, paid)
    if reached >= 3:
        rows.tell(session, s.LATE + 83, s.STEP_COMPLETED, paid)
    if reached >= 4:
        rows.tell(session, s.LATE + 84, s.PAGE, page=shop.THANKS)
        rows.tell(session, s.LATE + 85, s.COMPLETED, order.completed())


def _after_order(rows: Rows, order: Order, session: int, luck: float) -> bool:
    """Load the thank-you page again, or cancel the order; return whether it was cancelled."""
    if luck < 0.012:
        rows.tell(session, s.LATE + 90, s.PAGE, page=shop.THANKS)
        rows.tell(session, s.LATE + 91, s.COMPLETED, order.completed())
    if luck < 0.98:
        return False
    products = _lines(order.goods, order.currency, order.lines)
    rows.tell(session, s.LATE + 94, s.PAGE, page=shop.ORDERS)
    rows.tell(
        session,
        s.LATE + 95,
        s.CANCELLED,
        _returned(order.order_id, order.total, order.currency, products),
    )
    return True


def look_after(scene: Scene) -> None:
    """Tell what people do about an earlier order: send something back, write a review."""
    purchases = scene.memory.purchases
    luck = scene.rng.random((scene.size, 3))
    for session in np.flatnonzero(scene.logged & (luck[:, 0] < 0.5)).tolist():
        who = int(scene.person[session])
        purchase = purchases.get(who)
        if purchase is None or scene.start[session] - purchase.when < 2 * DAY:
            continue
        del purchases[who]
        if luck[session, 1] < 0.24:
            _refund(scene, session, purchase, luck[session, 2] < 0.5)
        elif luck[session, 1] < 0.5:
            _review(scene, session, purchase, luck[session, 2])


def _refund(scene: Scene, session: int, purchase: Purchase, whole: bool) -> None:
    """Send back all of an order, shipping and tax paid back too, or its first line."""
    lines = purchase.lines if whole else purchase.lines[:1]
    worth = _worth(scene.goods, purchase.currency, lines)
    total = purchase.total if whole else min(worth, purchase.total)
    products = _lines(scene.goods, purchase.currency, lines)
    scene.rows.tell(session, s.EARLY + 10, s.PAGE, page=shop.ORDERS)
    properties = _returned(purchase.order_id, total, purchase.currency, products)
    scene.rows.tell(session, s.EARLY + 11, s.REFUNDED, properties)


def _review(scene: Scene, session: int, purchase: Purchase, luck: float) -> None:
    product = scene.goods.products[purchase.lines[0][0]]
    rating = 1 + _pick((4, 5, 11, 30, 50), luck)
    properties = json(
        {
            "product_id": product.product_id,
            "review_id": "rev-" + purchase.order_id[4:].decode(),
            "review_body": _REVIEWS[rating - 1],
            "rating": rating,
        }
    )
    scene.rows.tell(session, s.EARLY + 20, s.PAGE, page=product.page)
    scene.rows.tell(session, s.EARLY + 21, s.REVIEWED, properties[1:-1])


def _returned(order_id: bytes, total: int, currency: int, products: bytes) -> bytes:
    return b'"currency":"%b","order_id":"%b","products":[%b],"total":%b' % (
        CURRENCIES[currency].encode(),
        order_id,
        products,
        money(total),
    )


def _worth(goods: Catalogue, currency: int, lines: Iterable[tuple[int, int]]) -> int:
    return sum(goods.products[product].prices[currency] * count for product, count in lines)


def _lines(goods: Catalogue, currency: int, lines: Iterable[tuple[int, int]]) -> bytes:
    return b",".join(
        goods.line(product, currency, place, quantity)
        for place, (product, quantity) in enumerate(lines, start=1)
    )


def _pick(weights: Sequence[float], luck: float) -> int:
    """Return a position by weights from one number in [0, 1)."""
    left = luck * sum(weights)
    for place, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return place
    return len(weights) - 1
