// Events: RudderStack's SDK, and only for visitors who gave their consent.

import { RudderAnalytics } from "@rudderstack/analytics-js/bundled";

import { CURRENCY, sent } from "./money.js";
import { consent } from "./state.js";

let rudder = null;

export function start({ writeKey, dataPlane }) {
  if (consent() !== "yes" || rudder) return;
  rudder = new RudderAnalytics();
  rudder.load(writeKey, dataPlane, {
    // The address that answers for the source: here the collector, else RudderStack's control plane.
    configUrl: dataPlane,
    queueOptions: { batch: { enabled: true, maxItems: 20, flushInterval: 1000 } },
    loadIntegration: false,
    polyfillIfRequired: false,
  });
}

export const measures = () => rudder !== null;
export const anonymousId = () => rudder?.getAnonymousId() ?? null;
export const page = (name) => rudder?.page(name);
export const track = (event, properties) => rudder?.track(event, properties);

export function identify({ userId, email, firstName, lastName, createdAt, offers }) {
  rudder?.identify(userId, {
    email,
    firstName,
    lastName,
    createdAt,
    consent: { email: offers },
  });
}

// The user and the session end; the device keeps its anonymous id, as the SDK does by default.
export const reset = () => rudder?.reset();

// --- properties, as the tracking plan lists them -------------------------------------------------

export const about = (product, { position, quantity = 1 } = {}) => ({
  product_id: product.product_id,
  sku: product.sku,
  name: product.name,
  brand: product.brand,
  category: product.category,
  variant: product.variant,
  price: sent(product.price),
  quantity,
  currency: CURRENCY,
  ...(position ? { position } : {}),
  url: `${location.origin}/p/${product.product_id}`,
  image_url: `${location.origin}${product.image}`,
});

export const lines = (found) =>
  found.map(({ product, quantity }, place) => about(product, { position: place + 1, quantity }));

export const listed = (found) =>
  found.map((product, place) => ({
    product_id: product.product_id,
    sku: product.sku,
    name: product.name,
    price: sent(product.price),
    position: place + 1,
    category: product.category,
  }));
