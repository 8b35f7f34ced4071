// The shop: one page that shows what the address says.

import { forms, actions } from "./actions.js";
import * as analytics from "./analytics.js";
import * as answers from "./answers.js";
import * as goods from "./catalogue.js";
import { html } from "./html.js";
import { banner, panel } from "./parts.js";
import * as state from "./state.js";
import * as account from "./views/account.js";
import * as browse from "./views/browse.js";
import * as buy from "./views/buy.js";

const ROUTES = [
  ["/", browse.home],
  ["/c/:slug", browse.list],
  ["/search", browse.search],
  ["/p/:id", browse.product],
  ["/wishlist", browse.wishlist],
  ["/cart", buy.cart],
  ["/checkout", buy.checkout],
  ["/checkout/thank-you", buy.thanks],
  ["/register", account.register],
  ["/login", account.login],
  ["/account/preferences", account.preferences],
  ["/account/orders", account.orders],
];

const main = document.querySelector("main");
let config = null;
let view = null;

function found(path) {
  for (const [pattern, made] of ROUTES) {
    const names = [...pattern.matchAll(/:(\w+)/g)].map((match) => match[1]);
    const match = path.match(new RegExp(`^${pattern.replace(/:\w+/g, "([^/]+)")}/?$`));
    if (match) return [made, Object.fromEntries(names.map((name, at) => [name, decodeURIComponent(match[at + 1])]))];
  }
  return [browse.missing, {}];
}

const put = (selector, content) => {
  document.querySelector(selector).innerHTML = String(content);
};

function showAround() {
  put("#banner", banner());
  put("#panel", view?.panel ? panel(view.product) : "");
  document.getElementById("panel").hidden = !view?.panel;
  const count = state.cartCount();
  document.getElementById("cart-link").textContent = count ? `Cart (${count})` : "Cart";
  const person = state.person();
  put(
    "#who",
    person
      ? html`<a href="/account/preferences">${person.firstName}</a> <a href="/account/orders">Orders</a>
          <button class="plain" data-action="logout">Sign out</button>`
      : html`<a href="/login">Sign in</a> <a href="/account/orders">Orders</a>`,
  );
}

function announce() {
  analytics.page(view.name);
  for (const [event, properties] of view.events) analytics.track(event, properties);
}

function draw() {
  const [made, values] = found(location.pathname);
  view = made(values, new URLSearchParams(location.search));
  document.title = view.title;
  document.getElementById("q").value = new URLSearchParams(location.search).get("q") ?? "";
  main.innerHTML = String(view.body);
  showAround();
}

const focusHeading = () => main.querySelector("h1").focus({ preventScroll: true });

function show({ isFirst = false } = {}) {
  draw();
  if (!isFirst) {
    window.scrollTo(0, 0);
    focusHeading();
  }
  announce();
  answers.refresh().then((isNew) => isNew && showAround());
}

// Open an address; without one, draw the same page again, of which nothing new is told.
function go(address) {
  if (address === undefined) {
    draw();
    focusHeading();
    return;
  }
  history.pushState(null, "", address);
  show();
}

// --- consent -------------------------------------------------------------------------------------

const asking = document.getElementById("consent");

function ask() {
  asking.hidden = false;
  asking.querySelector("button").focus();
}

function answer(is) {
  const before = state.consent();
  state.answerConsent(is);
  asking.hidden = true;
  if (is === "yes" && before !== "yes") {
    analytics.start(config);
    const person = state.person();
    if (person) analytics.identify(person);
    announce();
  }
  // A page that never starts measuring begins anew, and forgets what this one kept.
  if (is === "no" && before === "yes") location.reload();
}

// A refusal in one tab ends measuring in all of them.
window.addEventListener("storage", () => {
  if (analytics.measures() && state.consent() !== "yes") location.reload();
});

// --- events of the page --------------------------------------------------------------------------

document.addEventListener("submit", (event) => {
  const form = event.target;
  const does = forms[form.dataset.form];
  if (!does) return;
  event.preventDefault();
  does(Object.fromEntries(new FormData(form)), go, form);
});

function follow(event, link) {
  const url = new URL(link.href);
  const isPlain = !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (url.origin !== location.origin || link.target || url.pathname.includes(".") || !isPlain) return;
  if (link.hash && url.pathname === location.pathname) return;
  event.preventDefault();
  go(url.pathname + url.search);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-action], [data-consent]");
  if (button?.dataset.consent === "ask") return ask();
  if (button?.dataset.consent) return answer(button.dataset.consent);
  if (button) return actions[button.dataset.action](button.dataset, go, button);
  const link = event.target.closest("a[href]");
  if (!link) return undefined;
  const { click, position, promotion } = link.dataset;
  if (click) analytics.track("Product Clicked", analytics.about(goods.product(click), { position: Number(position) }));
  if (promotion) {
    const one = goods.promotions().find((each) => each.promotion_id === promotion);
    analytics.track("Promotion Clicked", browse.promotionProperties(one));
  }
  return follow(event, link);
});

window.addEventListener("popstate", () => show());

config = await (await fetch("/config.json")).json();
await goods.load();
// Only here is it sure that no SDK runs, whose timers would write again what was forgotten.
if (state.consent() !== "yes") state.forgetMeasuring();
analytics.start(config);
await answers.refresh();
show({ isFirst: true });
answers.follow(showAround);
if (state.consent() === null) asking.hidden = false;
document.documentElement.dataset.ready = "yes";
