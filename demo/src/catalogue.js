// What the shop sells: the same products as the generated shoppers buy.

let goods = { categories: [], products: [], coupons: {}, promotions: [] };
let byId = new Map();

export async function load() {
  const answer = await fetch("/catalogue.json");
  goods = await answer.json();
  byId = new Map(goods.products.map((one) => [one.product_id, one]));
}

export const categories = () => goods.categories;
export const products = () => goods.products;
export const promotions = () => goods.promotions;
export const product = (id) => byId.get(id);
export const category = (slug) => goods.categories.find((one) => one.slug === slug);
export const inCategory = (name) => goods.products.filter((one) => one.category === name);

// A coupon's percentage, or null where there is no such coupon.
export const coupon = (code) => goods.coupons[code.trim().toUpperCase()] ?? null;

const plain = (text) =>
  text
    .toLowerCase()
    .normalize("NFD")
    .replace(/\p{Diacritic}/gu, "");

export function search(query) {
  const words = plain(query).split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  return goods.products.filter((one) => {
    const text = plain(`${one.name} ${one.brand} ${one.category} ${one.variant}`);
    return words.every((word) => text.includes(word));
  });
}

// Lines of a cart or an order with their products; what is no longer sold falls out.
export const withProducts = (lines) =>
  lines
    .map((line) => ({ ...line, product: product(line.productId) }))
    .filter((line) => line.product);
