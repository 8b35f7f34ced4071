// What forms and buttons do: change what is remembered, and send events.

import { about, identify, lines as sentLines, reset, track } from "./analytics.js";
import * as goods from "./catalogue.js";
import { CURRENCY, priced, sent } from "./money.js";
import * as state from "./state.js";
import { returnable } from "./views/account.js";
import { off, orderProperties, stepProperties } from "./views/buy.js";

const say = (text, id = "said") => {
  document.getElementById(id).textContent = text;
};

const signedIn = (person) => {
  state.enter(person.email);
  identify(person);
};

// Each gets the form's values and `go`, which opens a page, or shows the same one again.
export const forms = {
  search: ({ q }, go) => go(`/search?q=${encodeURIComponent(q.trim())}`),

  filter: ({ price, sort }, go, form) => go(`${form.getAttribute("action")}?price=${price}&sort=${sort}`),

  add({ product: id, quantity }, go) {
    const count = Math.min(9, Math.max(1, Math.round(Number(quantity)) || 1));
    const now = state.addToCart(id, count);
    track("Product Added", { cart_id: now.id, ...about(goods.product(id), { quantity: count }) });
    go("/cart");
  },

  coupon({ coupon }, go) {
    const code = coupon.trim().toUpperCase();
    const rate = goods.coupon(code);
    if (rate === null) {
      track("Coupon Denied", { coupon_name: code, reason: "Coupon is not valid" });
      say(`${code} is not a valid coupon.`, "coupon-said");
      return;
    }
    const now = state.changeCart((one) => {
      one.coupon = code;
    });
    const costs = priced(goods.withProducts(now.lines), rate);
    const order = now.checkout ? { order_id: now.checkout.orderId } : {};
    track("Coupon Applied", { ...order, coupon_id: code.toLowerCase(), coupon_name: code, discount: sent(costs.discount) });
    go();
  },

  delivery({ method, payment }, go) {
    const now = state.changeCart((one) => {
      one.checkout = { ...one.checkout, method, payment };
    });
    track("Payment Info Entered", stepProperties(now.checkout, 1));
    track("Checkout Step Completed", stepProperties(now.checkout, 1));
    go("/checkout?step=2");
  },

  order(_, go) {
    const now = state.cart();
    if (!now.checkout?.payment) return go("/checkout");
    const found = goods.withProducts(now.lines);
    const costs = priced(found, off(now), now.checkout.method);
    track("Checkout Step Completed", stepProperties(now.checkout, 2));
    track("Order Completed", orderProperties(now.checkout, found, costs, now.coupon));
    const { orderId: id } = now.checkout;
    const at = new Date().toISOString();
    state.keepOrder({ id, at, lines: now.lines, costs, status: "placed", returned: [], repaid: 0 });
    state.emptyCart();
    return go(`/checkout/thank-you?order=${id}`);
  },

  register({ firstName, lastName, email, offers }, go) {
    if (state.account(email)) return say("There is already an account with this email address. Sign in instead.");
    const person = {
      userId: state.made("usr-"),
      firstName: firstName.trim(),
      lastName: lastName.trim(),
      email: email.trim(),
      offers: offers === "on",
      createdAt: new Date().toISOString(),
    };
    state.keepAccount(person);
    signedIn(person);
    track("Signed Up", { method: "email" });
    return go("/");
  },

  login({ email }, go) {
    const person = state.account(email);
    if (!person) return say("There is no account with this email address on this device.");
    signedIn(person);
    track("Logged In", { method: "email" });
    return go("/");
  },

  preferences({ offers }) {
    const person = { ...state.person(), offers: offers === "on" };
    state.keepAccount(person);
    identify(person);
    say("Saved.");
  },

  return({ order: id, what }, go) {
    const order = state.order(id);
    const left = returnable(order);
    const back = what ? left.filter((line) => line.productId === what) : left;
    const found = goods.withProducts(back);
    const worth = found.reduce((sum, line) => sum + line.product.price * line.quantity, 0);
    // All of an order brings back what was paid; of a part, the goods, and never more than is left.
    const rest = order.costs.total - order.repaid;
    const amount = back.length === order.lines.length ? rest : Math.min(worth, rest);
    track("Order Refunded", { order_id: id, total: sent(amount), currency: CURRENCY, products: sentLines(found) });
    const returned = [...order.returned, ...back.map((line) => line.productId)];
    const status = returned.length === order.lines.length ? "refunded" : "partly";
    state.changeOrder(id, () => ({ returned, status, repaid: order.repaid + amount }));
    go();
    say("Your refund is on its way.");
  },

  review({ order, product, rating }) {
    track("Product Reviewed", { product_id: product, review_id: `rev-${order.slice(4)}`, rating: Number(rating) });
    say("Thank you for your review.");
  },
};

export const actions = {
  remove({ product: id }, go) {
    const line = state.cart().lines.find((one) => one.productId === id);
    if (!line) return;
    const now = state.changeCart((one) => {
      one.lines = one.lines.filter((each) => each.productId !== id);
    });
    track("Product Removed", { cart_id: now.id, ...about(goods.product(id), { quantity: line.quantity }) });
    go();
  },

  wish({ product: id }, go) {
    state.wish(id);
    track("Product Added to Wishlist", { wishlist_id: "wl-1", wishlist_name: "Later", ...about(goods.product(id)) });
    go();
  },

  async share({ product: id }, go, button) {
    track("Product Shared", { share_via: "link", ...about(goods.product(id)) });
    await navigator.clipboard?.writeText(`${location.origin}/p/${id}`).catch(() => {});
    button.textContent = "Copied";
  },

  cancel({ order: id }, go) {
    const order = state.order(id);
    const found = goods.withProducts(order.lines);
    track("Order Cancelled", { order_id: id, total: sent(order.costs.total), currency: CURRENCY, products: sentLines(found) });
    state.changeOrder(id, () => ({ status: "cancelled" }));
    go();
    say("Your order has been cancelled.");
  },

  logout(_, go) {
    state.leave();
    reset();
    go("/");
  },
};
