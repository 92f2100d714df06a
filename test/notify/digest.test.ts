import { expect, test } from "vitest";
import { digestOf, notificationOf, type Memory } from "../../src/notify/digest.ts";
import type { Incident } from "../../src/notify/incidents.ts";

const shop: Incident = {
  certificate: "shop",
  names: ["shop.example.com"],
  labels: { team: "web" },
  event: "failure",
  title: "cannot be issued or renewed",
  detail: "The CA could not validate shop.example.com.",
  signature: "failing validation",
  expiresAt: "2026-06-30T00:00:00.000Z",
};
const mail: Incident = { ...shop, certificate: "mail", labels: {}, event: "deploy" };
const known = new Set(["shop", "mail"]);
const start = new Date("2026-06-01T00:00:00Z").getTime();
const hour = 3_600_000;

/** Runs at these hours; each answers what is told, and remembers it. */
function runs(filter: Parameters<typeof digestOf>[2] = {}) {
  let memory: Memory = {};
  return (hours: number, incidents: readonly Incident[], arrives = true) => {
    const digest = digestOf(incidents, known, filter, memory, new Date(start + hours * hour));
    if (arrives) memory = digest.memory;
    return digest.items.map(
      ({ certificate, event, recovered }) => `${certificate} ${recovered ? "recovered" : event}`,
    );
  };
}

test("a failure is reported when it is new, when it changes, and then daily", () => {
  const run = runs();
  expect(run(0, [shop])).toEqual(["shop failure"]);
  expect(run(12, [shop])).toEqual([]);
  expect(run(13, [{ ...shop, signature: "failing rateLimited" }])).toEqual(["shop failure"]);
  expect(run(25, [{ ...shop, signature: "failing rateLimited" }])).toEqual([]);
  expect(run(36, [{ ...shop, signature: "failing rateLimited" }])).toEqual(["shop failure"]);
});

test("an event that is over is reported once as recovery", () => {
  const run = runs();
  run(0, [shop, mail]);
  expect(run(1, [mail])).toEqual(["shop recovered"]);
  expect(run(2, [mail])).toEqual([]);
  expect(run(3, [shop, mail])).toEqual(["shop failure"]);
});

test("what did not arrive is reported again by the next run, recoveries included", () => {
  const run = runs();
  expect(run(0, [shop], false)).toEqual(["shop failure"]);
  expect(run(1, [shop])).toEqual(["shop failure"]);
  expect(run(2, [], false)).toEqual(["shop recovered"]);
  expect(run(3, [])).toEqual(["shop recovered"]);
});

test("entries get only their events and the certificates with their labels", () => {
  expect(runs({ events: ["deploy"] })(0, [shop, mail])).toEqual(["mail deploy"]);
  expect(runs({ labels: { team: "web" } })(0, [shop, mail])).toEqual(["shop failure"]);
  const run = runs({ events: ["failure"] });
  run(0, [shop]);
  expect(run(1, []), "recovery is an event of its own").toEqual([]);
});

test("a certificate that was removed has not recovered", () => {
  const gone = { ...shop, certificate: "gone" };
  const run = runs();
  run(0, [gone]);
  expect(run(1, [])).toEqual([]);
});

test("all events of a run are one message", () => {
  const now = new Date(start);
  const { items } = digestOf([shop, mail], known, {}, {}, now);
  const message = notificationOf(items, "web1", now);
  expect(message.subject).toBe("acmectl on web1: 2 certificates need attention");
  expect(message.text).toBe(
    `shop (shop.example.com) cannot be issued or renewed.
  The CA could not validate shop.example.com.
  Valid until 2026-06-30 00:00 UTC.

mail (shop.example.com) cannot be issued or renewed.
  The CA could not validate shop.example.com.
  Valid until 2026-06-30 00:00 UTC.

Details on web1: acmectl status --check`,
  );
  const [first] = items;
  const one = notificationOf(first === undefined ? [] : [first], "web1", now);
  expect(one.subject).toBe("acmectl on web1: shop cannot be issued or renewed");
  const many = Array.from({ length: 400 }, () => items).flat();
  expect(notificationOf(many, "web1", now).text).toContain("And 775 more.");
});
