// Home, lists, search, products.

import { about, listed } from "../analytics.js";
import * as goods from "../catalogue.js";
import { html } from "../html.js";
import { shown } from "../money.js";
import { card, grid } from "../parts.js";
import { wishes } from "../state.js";

const ON_A_PAGE = 24;

const FILTERS = {
  all: ["Any price", () => true, null],
  "under-50": ["Under $50", (one) => one.price < 5000, { type: "price", value: "under-50" }],
  "from-50": ["$50 and over", (one) => one.price >= 5000, { type: "price", value: "from-50" }],
};
const SORTS = {
  popular: ["Most popular", (a, b) => b.weight - a.weight, null],
  cheap: ["Price: low to high", (a, b) => a.price - b.price, { type: "price", value: "asc" }],
  dear: ["Price: high to low", (a, b) => b.price - a.price, { type: "price", value: "desc" }],
};

export const promotionProperties = (one) => ({
  promotion_id: one.promotion_id,
  name: one.name,
  creative: one.creative,
  position: one.position,
});

export function home() {
  return {
    title: "Corner Shop – Home",
    name: "Home",
    panel: true,
    events: goods.promotions().map((one) => ["Promotion Viewed", promotionProperties(one)]),
    body: html`
      <h1 tabindex="-1">Corner Shop</h1>
      <section aria-label="Offers"><ul class="offers">
        ${goods.promotions().map(
          (one) => html`<li><a href="${one.path}" data-promotion="${one.promotion_id}">
            <strong>${one.name}</strong> <span>${one.words}</span></a></li>`,
        )}
      </ul></section>
      <section aria-labelledby="departments">
        <h2 id="departments">Departments</h2>
        <ul class="departments">${goods.categories().map(
          (one) => html`<li><a href="/c/${one.slug}"><img src="${one.image}" alt="" width="48" height="48">${one.name}</a></li>`,
        )}</ul>
      </section>`,
  };
}

export function list({ slug }, query) {
  const category = goods.category(slug);
  if (!category) return missing();
  const filter = query.get("price") in FILTERS ? query.get("price") : "all";
  const sort = query.get("sort") in SORTS ? query.get("sort") : "popular";
  const chosen = goods
    .inCategory(category.name)
    .filter(FILTERS[filter][1])
    .sort((a, b) => SORTS[sort][1](a, b) || a.product_id.localeCompare(b.product_id))
    .slice(0, ON_A_PAGE);
  const common = { list_id: category.slug, category: category.name, products: listed(chosen) };
  const [filters, sorts] = [FILTERS[filter][2], SORTS[sort][2]];
  const event =
    filters || sorts
      ? ["Product List Filtered", { ...common, ...(filters && { filters: [filters] }), ...(sorts && { sorts: [sorts] }) }]
      : ["Product List Viewed", common];
  const options = (all, now) =>
    Object.entries(all).map(
      ([value, [label]]) => html`<option value="${value}" ${value === now && html`selected`}>${label}</option>`,
    );
  return {
    title: `${category.name} – Corner Shop`,
    name: "Category",
    events: [event],
    body: html`
      <h1 tabindex="-1">${category.name}</h1>
      <form class="row" data-form="filter" action="/c/${category.slug}">
        <div class="field"><label for="price">Price</label>
          <select id="price" name="price">${options(FILTERS, filter)}</select></div>
        <div class="field"><label for="sort">Sort by</label>
          <select id="sort" name="sort">${options(SORTS, sort)}</select></div>
        <button>Apply</button>
      </form>
      <p role="status">${chosen.length} ${chosen.length === 1 ? "product" : "products"}</p>
      ${grid(chosen, category.slug)}`,
  };
}

export function search(_, query) {
  const words = (query.get("q") ?? "").trim();
  const found = goods.search(words);
  const shownProducts = found.slice(0, ON_A_PAGE);
  return {
    title: `Search: ${words}`,
    name: "Search",
    panel: true,
    events: words ? [["Products Searched", { query: words, results: found.length }]] : [],
    body: html`
      <h1 tabindex="-1">${words ? html`Search: ${words}` : "Search"}</h1>
      <p role="status">${
        words
          ? found.length === 0
            ? "No results. Try another word, such as mug, tent or honey."
            : `${found.length} ${found.length === 1 ? "result" : "results"}`
          : "What are you looking for?"
      }</p>
      ${shownProducts.length > 0 && grid(shownProducts, "search")}`,
  };
}

export function product({ id }) {
  const one = goods.product(id);
  if (!one) return missing();
  const category = goods.categories().find((each) => each.name === one.category);
  return {
    title: one.name,
    name: "Product",
    panel: true,
    product: one,
    events: [["Product Viewed", about(one)]],
    body: html`
      <nav aria-label="Breadcrumb"><a href="/">Home</a> › <a href="/c/${category.slug}">${one.category}</a></nav>
      <article class="product">
        <img src="${one.image}" alt="" width="480" height="360">
        <div>
          <h1 tabindex="-1">${one.name}</h1>
          <p class="brand">${one.brand} · ${one.variant}</p>
          <p class="price large">${shown(one.price)}</p>
          <form class="row" data-form="add">
            <input type="hidden" name="product" value="${one.product_id}">
            <div class="field"><label for="quantity">Quantity</label>
              <input id="quantity" name="quantity" type="number" min="1" max="9" value="1" required></div>
            <button class="primary">Add to cart</button>
          </form>
          <p class="row">
            <button data-action="wish" data-product="${one.product_id}"
              ${wishes().includes(one.product_id) && html`disabled`}>${wishes().includes(one.product_id) ? "Saved for later" : "Save for later"}</button>
            <button data-action="share" data-product="${one.product_id}">Copy link</button>
          </p>
        </div>
      </article>`,
  };
}

export function wishlist() {
  const found = wishes().map(goods.product).filter(Boolean);
  return {
    title: "Saved for later",
    name: "Wishlist",
    panel: true,
    events: [],
    body: html`
      <h1 tabindex="-1">Saved for later</h1>
      ${found.length === 0 ? html`<p>You have not saved anything yet.</p>` : html`<ul class="grid">${found.map((one, place) => card(one, place + 1, "wishlist"))}</ul>`}`,
  };
}

export function missing() {
  return {
    title: "Page not found",
    name: "Not found",
    panel: true,
    events: [],
    body: html`<h1 tabindex="-1">Page not found</h1><p><a href="/">Back to the home page</a></p>`,
  };
}
