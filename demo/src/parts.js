// Parts that several pages show.

import * as answers from "./answers.js";
import * as goods from "./catalogue.js";
import { html } from "./html.js";
import { shown } from "./money.js";
import { cart } from "./state.js";

const PICKS = 4;

// What the banner says to whom; the first segment that fits counts.
const BANNERS = [
  ["abandoned_cart_24h", "Your cart is waiting.", "Back to your cart", "/cart"],
  ["abandoned_carts", "Your cart is waiting.", "Back to your cart", "/cart"],
  ["checkout_dropouts", "You were almost there.", "Go to your cart", "/cart"],
  ["vip", "For our best customers: 20% off with SALE20.", "See what’s new", "/c/home"],
  ["first_time_buyers", "Thank you for your first order. Use THANKYOU15 for 15% off your next one.", "Keep shopping", "/"],
  ["new", "Thank you for your first order. Use THANKYOU15 for 15% off your next one.", "Keep shopping", "/"],
  ["recent_buyers", "Thank you for your order. Use THANKYOU15 for 15% off your next one.", "Keep shopping", "/"],
  ["lapsing_customers", "It has been a while. Take 20% off with SALE20.", "See what’s new", "/c/home"],
  ["win_back", "We missed you. Take 20% off with SALE20.", "See what’s new", "/c/home"],
  ["at risk", "We missed you. Take 20% off with SALE20.", "See what’s new", "/c/home"],
  ["lapsed", "We missed you. Take 20% off with SALE20.", "See what’s new", "/c/home"],
  ["active", "Good to see you again. Take 5% off with SAVE5.", "Keep shopping", "/"],
  ["new_subscribers", "Thank you for subscribing. Take 10% off your first order with WELCOME10.", "Start shopping", "/c/kitchen"],
  ["lead", "Take 10% off your first order with WELCOME10.", "Start shopping", "/c/kitchen"],
  ["browsed_not_bought", "Not sure yet? Create an account and take 10% off your first order.", "Create an account", "/register"],
  ["visitor", "New here? It takes a minute to sign up.", "Create an account", "/register"],
];

export function banner() {
  const mine = answers.segments();
  const [segment, words, link, href] = BANNERS.find(([name]) => mine.includes(name)) ?? [];
  if (!segment) return "";
  return html`<p class="banner" data-segment="${segment}">${words} <a href="${href}">${link}</a></p>`;
}

export const card = (product, position, list) => html`
  <li class="card">
    <a href="/p/${product.product_id}" data-click="${product.product_id}" data-position="${position}" data-list="${list}">
      <img src="${product.image}" alt="" width="240" height="180">
      <span class="name">${product.name}</span>
    </a>
    <span class="brand">${product.brand}</span>
    <span class="price">${shown(product.price)}</span>
  </li>`;

export const grid = (products, list) =>
  html`<ul class="grid">${products.map((one, place) => card(one, place + 1, list))}</ul>`;

// The panel: what the last run recommends, without what is shown or in the cart already.
export function panel(product) {
  const { ids, title, why } = answers.picks(product?.product_id, product?.category);
  const taken = new Set(cart().lines.map((line) => line.productId));
  if (product) taken.add(product.product_id);
  const chosen = ids
    .filter((id) => !taken.has(id))
    .map(goods.product)
    .filter(Boolean)
    .slice(0, PICKS);
  if (chosen.length === 0)
    return html`<h2>Picked for you</h2><p class="quiet">The first run is still going. Recommendations will appear here in about a minute.</p>`;
  const at = answers.upTo();
  return html`
    <h2>${title}</h2>
    <div data-why="${why}">${grid(chosen, "recommended")}</div>
    ${at && html`<p class="quiet">Based on events up to <time datetime="${at}">${new Date(at).toLocaleString()}</time>.</p>`}`;
}

export const field = (name, label, { type = "text", value = "", complete = "off", hint = "" } = {}) => html`
  <div class="field">
    <label for="${name}">${label}</label>
    <input id="${name}" name="${name}" type="${type}" value="${value}" autocomplete="${complete}" required
      ${hint && html`aria-describedby="${name}-hint"`}>
    ${hint && html`<p class="quiet" id="${name}-hint">${hint}</p>`}
  </div>`;

export const choice = (group, value, label, chosen) => html`
  <label class="choice"><input type="radio" name="${group}" value="${value}" required
    ${chosen && html`checked`}> ${label}</label>`;

export const sums = (costs, coupon) => html`
  <dl class="sums">
    <div><dt>Subtotal</dt><dd>${shown(costs.subtotal)}</dd></div>
    ${costs.discount > 0 && html`<div><dt>Coupon ${coupon}</dt><dd>−${shown(costs.discount)}</dd></div>`}
    <div><dt>Delivery</dt><dd>${costs.shipping ? shown(costs.shipping) : "Free"}</dd></div>
    <div><dt>Tax (8%)</dt><dd>${shown(costs.tax)}</dd></div>
    <div class="total"><dt>Total</dt><dd data-total="${costs.total}">${shown(costs.total)}</dd></div>
  </dl>`;
