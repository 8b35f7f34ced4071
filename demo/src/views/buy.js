// Cart and checkout.

import { lines as sentLines } from "../analytics.js";
import * as goods from "../catalogue.js";
import { html } from "../html.js";
import { CURRENCY, FREE_SHIPPING, priced, sent, SHIPPING, shown } from "../money.js";
import { choice, sums } from "../parts.js";
import * as state from "../state.js";

const METHODS = [["standard", `Standard: ${shown(SHIPPING.standard)}, free on orders of ${shown(FREE_SHIPPING)} or more`], ["express", `Express: ${shown(SHIPPING.express)}`]];
const PAYMENTS = [["card", "Card"], ["paypal", "PayPal"], ["gift_card", "Gift card"]];

export const off = (cart) => (cart.coupon ? goods.coupon(cart.coupon) ?? 0 : 0);

export function cart() {
  const now = state.cart();
  const found = goods.withProducts(now.lines);
  const costs = priced(found, off(now));
  return {
    title: "Your cart",
    name: "Cart",
    panel: true,
    events: found.length ? [["Cart Viewed", { cart_id: now.id, products: sentLines(found) }]] : [],
    body: html`
      <h1 tabindex="-1">Your cart</h1>
      ${
        found.length === 0
          ? html`<p>Your cart is empty.</p>`
          : html`
        <ul class="lines">${found.map(
          ({ product, quantity }) => html`<li>
            <a href="/p/${product.product_id}">${product.name}</a>
            <span>${quantity} × ${shown(product.price)}</span>
            <button data-action="remove" data-product="${product.product_id}"
              aria-label="Remove ${product.name}">Remove</button>
          </li>`,
        )}</ul>
        <form class="row" data-form="coupon">
          <div class="field"><label for="coupon">Coupon</label>
            <input id="coupon" name="coupon" autocomplete="off" value="${now.coupon ?? ""}" required></div>
          <button>Apply</button>
          <p role="status" id="coupon-said"></p>
        </form>
        ${sums(costs, now.coupon)}
        <p><a class="button primary" href="/checkout">Go to checkout</a></p>`
      }`,
  };
}

// What an order's events say; `checkout` has its ids and what was chosen.
export const orderProperties = (checkout, found, costs, coupon) => ({
  order_id: checkout.orderId,
  checkout_id: checkout.checkoutId,
  affiliation: "Demo shop",
  total: sent(costs.total),
  subtotal: sent(costs.subtotal),
  revenue: sent(costs.subtotal),
  shipping: sent(costs.shipping),
  tax: sent(costs.tax),
  discount: sent(costs.discount),
  ...(coupon ? { coupon } : {}),
  currency: CURRENCY,
  products: sentLines(found),
});

export const stepProperties = (checkout, step) => ({
  checkout_id: checkout.checkoutId,
  step,
  shipping_method: checkout.method,
  ...(checkout.payment ? { payment_method: checkout.payment } : {}),
});

export function checkout(_, query) {
  let now = state.cart();
  const found = goods.withProducts(now.lines);
  if (found.length === 0) return cart();
  const begins = now.checkout === null;
  if (begins) {
    now = state.changeCart((one) => {
      one.checkout = { orderId: state.made("ord-"), checkoutId: state.made("chk-"), method: "standard", payment: null };
    });
  }
  const chosen = now.checkout;
  const step = query.get("step") === "2" && chosen.payment ? 2 : 1;
  const costs = priced(found, off(now), chosen.method);
  const started = {
    order_id: chosen.orderId,
    value: sent(costs.subtotal),
    currency: CURRENCY,
    products: sentLines(found),
  };
  const events = begins ? [["Checkout Started", started]] : [];
  events.push(["Checkout Step Viewed", stepProperties(step === 1 ? { ...chosen, payment: null } : chosen, step)]);
  const steps = ["Delivery and payment", "Review"];
  return {
    title: "Checkout",
    name: "Checkout",
    events,
    body: html`
      <h1 tabindex="-1">Checkout</h1>
      <ol class="steps">${steps.map((label, place) => html`<li ${place + 1 === step && html`aria-current="step"`}>${label}</li>`)}</ol>
      ${
        step === 1
          ? html`<form data-form="delivery">
            <fieldset><legend>Delivery</legend>${METHODS.map(([value, label]) => choice("method", value, label, value === chosen.method))}</fieldset>
            <fieldset><legend>Payment</legend>${PAYMENTS.map(([value, label]) => choice("payment", value, label, value === (chosen.payment ?? "card")))}
              <p class="quiet">This is a demo: you will not be charged, and nothing will be delivered.</p></fieldset>
            <button class="primary">Continue</button>
          </form>`
          : html`
          <ul class="lines">${found.map(({ product, quantity }) => html`<li>${product.name} <span>${quantity} × ${shown(product.price)}</span></li>`)}</ul>
          ${sums(costs, now.coupon)}
          <form data-form="order"><button class="primary">Place order</button></form>
          <p><a href="/checkout">Back to delivery and payment</a></p>`
      }`,
  };
}

export function thanks(_, query) {
  const order = state.order(query.get("order") ?? "");
  return {
    title: "Thank you",
    name: "Thank you",
    panel: true,
    // The event goes with the order, once: loading this page again is no second order.
    events: [],
    body: html`
      <h1 tabindex="-1">Thank you</h1>
      ${
        order
          ? html`<p>Your order <strong data-order="${order.id}">${order.id}</strong> for
            <strong>${shown(order.costs.total)}</strong> has been placed. <a href="/account/orders">See your orders</a></p>
            <p class="quiet">In less than a minute it will be in <code>marts.orders</code>, and the recommendations below will change.</p>`
          : html`<p>This order was not placed on this device.</p>`
      }`,
  };
}
