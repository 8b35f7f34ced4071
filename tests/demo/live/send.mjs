// Send events by RudderStack's SDK for Node: what to send, and where, comes in as JSON.

import RudderAnalytics from "@rudderstack/rudder-sdk-node";

const { address, userId, events } = JSON.parse(
  await new Promise((done) => {
    let text = "";
    process.stdin.on("data", (part) => (text += part));
    process.stdin.on("end", () => done(text));
  }),
);
const client = new RudderAnalytics("local", { dataPlaneUrl: address, flushInterval: 200 });
const failed = [];
for (const { type, ...event } of events) {
  client[type]({ userId, ...event }, (error) => error && failed.push(error));
}
await new Promise((done) => client.flush(done));
if (failed.length) {
  console.error(failed);
  process.exit(1);
}
process.exit(0);
