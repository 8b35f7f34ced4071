// What this browser remembers of the shop: it has no server to remember anything.

const PREFIX = "shop.";

function read(name, otherwise) {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

function write(name, value) {
  localStorage.setItem(PREFIX + name, JSON.stringify(value));
}

export const made = (prefix) =>
  prefix +
  [...crypto.getRandomValues(new Uint8Array(6))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");

// --- privacy -------------------------------------------------------------------------------------

// "yes", "no", or null before an answer.
export const consent = () => read("consent", null);
export const answerConsent = (answer) => write("consent", answer);

// Everything that is not the shop's own: what the SDK has stored.
export function forgetMeasuring() {
  for (const key of Object.keys(localStorage)) {
    if (!key.startsWith(PREFIX)) localStorage.removeItem(key);
  }
  sessionStorage.clear();
  for (const cookie of document.cookie.split(";")) {
    const name = cookie.split("=")[0].trim();
    if (name) document.cookie = `${name}=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT`;
  }
}

// --- the cart ------------------------------------------------------------------------------------

const empty = () => ({ id: null, lines: [], coupon: null, checkout: null });

export const cart = () => read("cart", empty());
export const cartCount = () => cart().lines.reduce((sum, line) => sum + line.quantity, 0);
export const emptyCart = () => write("cart", empty());

export function changeCart(change) {
  const now = cart();
  now.id ??= made("crt-");
  change(now);
  now.lines = now.lines.filter((line) => line.quantity > 0);
  write("cart", now);
  return now;
}

export function addToCart(productId, quantity) {
  return changeCart((now) => {
    const line = now.lines.find((one) => one.productId === productId);
    if (line) line.quantity += quantity;
    else now.lines.push({ productId, quantity });
  });
}

// --- people --------------------------------------------------------------------------------------

const accounts = () => read("accounts", {});
const mailKey = (email) => email.trim().toLowerCase();

export function person() {
  const email = read("session", null);
  return email === null ? null : accounts()[email] ?? null;
}

export const account = (email) => accounts()[mailKey(email)] ?? null;

export function keepAccount(details) {
  write("accounts", { ...accounts(), [mailKey(details.email)]: details });
}

export const enter = (email) => write("session", mailKey(email));

export function leave() {
  localStorage.removeItem(PREFIX + "session");
  emptyCart();
  write("wishlist", []);
}

// --- orders and wishes ---------------------------------------------------------------------------

const owner = () => person()?.userId ?? null;

export const orders = () => read("orders", []).filter((order) => order.owner === owner());
export const order = (id) => read("orders", []).find((one) => one.id === id);
export const keepOrder = (made) =>
  write("orders", [{ ...made, owner: owner() }, ...read("orders", [])]);
export const changeOrder = (id, change) =>
  write(
    "orders",
    read("orders", []).map((one) => (one.id === id ? { ...one, ...change(one) } : one)),
  );

export const wishes = () => read("wishlist", []);
export const wish = (productId) => write("wishlist", [...new Set([...wishes(), productId])]);
