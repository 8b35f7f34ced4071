// Sign-up, login, preferences, orders, refunds.

import * as goods from "../catalogue.js";
import { html } from "../html.js";
import { shown } from "../money.js";
import { field } from "../parts.js";
import * as state from "../state.js";

const INVENTED = "Use a made-up address. It stays on this machine.";

export function register() {
  return {
    title: "Create an account",
    name: "Register",
    events: [],
    body: html`
      <h1 tabindex="-1">Create an account</h1>
      <form class="narrow" data-form="register">
        ${field("firstName", "First name", { complete: "given-name" })}
        ${field("lastName", "Last name", { complete: "family-name" })}
        ${field("email", "Email address", { type: "email", complete: "email", hint: INVENTED })}
        <label class="choice"><input type="checkbox" name="offers"> Send me offers by email</label>
        <p role="alert" id="said"></p>
        <button class="primary">Create account</button>
      </form>
      <p>Already have an account? <a href="/login">Sign in</a></p>`,
  };
}

export function login() {
  return {
    title: "Sign in",
    name: "Login",
    events: [],
    body: html`
      <h1 tabindex="-1">Sign in</h1>
      <form class="narrow" data-form="login">
        ${field("email", "Email address", { type: "email", complete: "email", hint: "This is a demo, so there is no password." })}
        <p role="alert" id="said"></p>
        <button class="primary">Sign in</button>
      </form>
      <p>New here? <a href="/register">Create an account</a></p>`,
  };
}

export function preferences() {
  const person = state.person();
  if (!person) return login();
  return {
    title: "Your preferences",
    name: "Preferences",
    events: [],
    body: html`
      <h1 tabindex="-1">Your preferences</h1>
      <p>Signed in as ${person.firstName} ${person.lastName}.</p>
      <form class="narrow" data-form="preferences">
        <label class="choice"><input type="checkbox" name="offers" ${person.offers && html`checked`}> Send me offers by email</label>
        <p role="status" id="said"></p>
        <button class="primary">Save</button>
      </form>`,
  };
}

const STATUS = { placed: "on its way", cancelled: "cancelled", refunded: "refunded", partly: "partially refunded" };

// Lines of an order that can still be sent back.
export const returnable = (order) =>
  order.status === "placed" || order.status === "partly"
    ? order.lines.filter((line) => !order.returned.includes(line.productId))
    : [];

export function orders() {
  const mine = state.orders();
  return {
    title: "Your orders",
    name: "Orders",
    panel: true,
    events: [],
    body: html`
      <h1 tabindex="-1">Your orders</h1>
      <p role="status" id="said"></p>
      ${mine.length === 0 && html`<p>You have no orders yet.</p>`}
      ${mine.map((order) => one(order))}`,
  };
}

function one(order) {
  const found = goods.withProducts(order.lines);
  const left = goods.withProducts(returnable(order));
  return html`<section class="order" aria-labelledby="${order.id}">
    <h2 id="${order.id}">${order.id}</h2>
    <p>${new Date(order.at).toLocaleString()} · ${shown(order.costs.total)} · ${STATUS[order.status]}</p>
    <ul class="lines">${found.map(
      ({ product, quantity }) => html`<li><a href="/p/${product.product_id}">${product.name}</a>
        <span>${quantity} × ${shown(product.price)}${order.returned.includes(product.product_id) && ", returned"}</span></li>`,
    )}</ul>
    ${
      left.length > 0 &&
      html`<form class="row" data-form="return">
        <input type="hidden" name="order" value="${order.id}">
        <div class="field"><label for="what-${order.id}">Return</label>
          <select id="what-${order.id}" name="what">
            ${order.returned.length === 0 && html`<option value="">All items</option>`}
            ${left.map(({ product }) => html`<option value="${product.product_id}">${product.name}</option>`)}
          </select></div>
        <button>Request a refund</button>
        ${order.status === "placed" && html`<button type="button" data-action="cancel" data-order="${order.id}">Cancel order</button>`}
      </form>`
    }
    ${
      order.status !== "cancelled" &&
      html`<form class="row" data-form="review">
        <input type="hidden" name="order" value="${order.id}">
        <div class="field"><label for="product-${order.id}">Product</label>
          <select id="product-${order.id}" name="product">${found.map(({ product }) => html`<option value="${product.product_id}">${product.name}</option>`)}</select></div>
        <div class="field"><label for="rating-${order.id}">Rating</label>
          <select id="rating-${order.id}" name="rating">${[5, 4, 3, 2, 1].map((stars) => html`<option>${stars}</option>`)}</select></div>
        <button>Submit review</button>
      </form>`
    }
  </section>`;
}
