// Money is counted in cents, and sent in whole units with two places.

export const CURRENCY = "USD";
export const FREE_SHIPPING = 6000;
export const SHIPPING = { standard: 495, express: 995 };
export const TAX_PERCENT = 8;

const format = new Intl.NumberFormat("en-US", { style: "currency", currency: CURRENCY });

export const shown = (cents) => format.format(cents / 100);
export const sent = (cents) => Number((cents / 100).toFixed(2));

const percent = (cents, rate) => Math.floor((cents * rate + 50) / 100);

// What an order costs: lines are {product, quantity}, `off` is a coupon's percentage.
export function priced(lines, off = 0, method = "standard") {
  const subtotal = lines.reduce((sum, line) => sum + line.product.price * line.quantity, 0);
  const discount = percent(subtotal, off);
  const worth = subtotal - discount;
  const free = method === "standard" && worth >= FREE_SHIPPING;
  const shipping = lines.length === 0 || free ? 0 : SHIPPING[method];
  const tax = percent(worth, TAX_PERCENT);
  return { subtotal, discount, shipping, tax, total: worth + shipping + tax };
}
