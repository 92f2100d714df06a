import { expect, test } from "vitest";
import type { Order } from "../../src/acme/acme.ts";
import { mayBeProven, openJournal } from "../../src/issue/journal.ts";
import { requestHash } from "../../src/request/drift.ts";
import {
  order as unfinished,
  pendingFor,
  requestFor,
  solverOf,
  toolsOf,
  unexpected,
} from "./world.ts";

const name = "example.com";
const now = new Date("2026-01-01T00:00:00Z");
const requestAt = (ca: string) =>
  requestFor([name], { issuer: { server: `https://${ca}.example/directory`, agreeTos: true } });
const orderAt = (ca: string, number = 1, expires?: string) =>
  unexpected<Order>("order", {
    url: `https://${ca}.example/order/${number}`,
    expires: expires === undefined ? undefined : new Date(expires),
  });
const key = (word: string) => ({ privateKey: `key ${word}`, csr: `csr ${word}` });

async function opened() {
  const tools = await toolsOf();
  tools.clock.set(now);
  const journal = await openJournal(name, tools);
  const begin = (ca: string, number?: number, expires?: string) =>
    journal.begin(orderAt(ca, number, expires), requestAt(ca), "account");
  return { tools, journal, begin, read: () => tools.store.journal.read(name) };
}

test("the key of an order is in the journal before finalization, also one in the place of another", async () => {
  const { journal, begin, read } = await opened();
  await journal.begin(orderAt("one"), requestAt("one"), "account", key("early"));
  expect(await read()).toMatchObject({ orderUrl: "https://one.example/order/1", ...key("early") });
  expect((await read())?.finalizing).toBeUndefined();
  await journal.finalizing(key("early"));
  expect(await read()).toMatchObject({ finalizing: true, ...key("early") });
  await journal.finalizing(key("late"));
  expect(await read()).toMatchObject({ finalizing: true, ...key("late") });
  await begin("one", 2);
  expect(await read()).not.toMatchObject(key("late"));
  expect((await read())?.finalizing).toBeUndefined();
});

test("a new order takes the place of that of its CA, and those at other CAs stay until they expire", async () => {
  const { tools, journal, begin, read } = await opened();
  await begin("one", 1, "2026-01-02T00:00:00Z");
  await journal.finalizing(key("one"));
  await begin("two", 1, "2026-01-03T00:00:00Z");
  expect(await read()).toMatchObject({
    orderUrl: "https://two.example/order/1",
    others: [{ orderUrl: "https://one.example/order/1", ...key("one") }],
  });
  await begin("two", 2, "2026-01-03T00:00:00Z");
  const others = (await read())?.others?.map(({ orderUrl }) => orderUrl);
  expect(others).toEqual(["https://one.example/order/1"]);
  tools.clock.set(new Date("2026-01-02T00:00:00Z"));
  await begin("two", 3);
  expect((await read())?.others).toBeUndefined();
});

test("when an order ends, those at other CAs and what is not cleaned up stay, and its key goes", async () => {
  const { journal, begin, read } = await opened();
  await begin("one");
  await begin("two");
  await journal.finalizing(key("two"));
  const [first, second] = [...pendingFor(name, solverOf("a")), ...pendingFor(name, solverOf("b"))];
  if (first === undefined || second === undefined) throw new Error("two challenges");
  await journal.presenting([first, second]);
  await journal.received(first, { id: 7 });
  expect((await read())?.presented.map(({ receipt }) => receipt ?? null)).toEqual([
    { id: 7 },
    null,
  ]);
  await journal.cleaned([first]);
  await journal.end();
  const left = await read();
  expect(left?.presented.map(({ solver }) => solver.name)).toEqual(["b"]);
  expect(left?.others).toMatchObject([{ orderUrl: "https://one.example/order/1" }]);
  for (const field of ["orderUrl", "privateKey", "csr", "finalizing"] as const)
    expect(left?.[field]).toBeUndefined();
});

test("the journal goes with the last order, once everything is cleaned up", async () => {
  const { journal, begin, read } = await opened();
  await begin("one");
  const challenges = pendingFor(name, solverOf("a"));
  await journal.presenting(challenges);
  await journal.end();
  expect((await read())?.presented).toHaveLength(1);
  await journal.cleaned(challenges);
  await journal.end();
  expect(await read()).toBeUndefined();
});

test("the order of the second key is beside the first one, and ends alone", async () => {
  const { journal, begin, read } = await opened();
  await begin("one");
  await journal.finalizing(key("first"));
  await journal.second.begin(orderAt("one", 2), requestAt("one"), "account");
  await journal.second.finalizing(key("second"));
  expect(await read()).toMatchObject({
    ...key("first"),
    second: { orderUrl: "https://one.example/order/2", ...key("second") },
  });
  await begin("two");
  expect((await read())?.second).toBeUndefined();
  expect((await read())?.others).toMatchObject([{ second: key("second") }]);
  await begin("two", 2);
  await journal.second.begin(orderAt("two", 3), requestAt("two"), "account");
  await begin("two", 4);
  expect((await read())?.second).toMatchObject({ orderUrl: "https://two.example/order/3" });
  await journal.second.end();
  expect((await read())?.second).toBeUndefined();
  expect((await read())?.orderUrl).toBe("https://two.example/order/4");
});

test("a write that fails is reported to who waits for it, and the next one is made", async () => {
  const tools = await toolsOf();
  const { store } = tools;
  let failures = 1;
  const write: typeof store.journal.write = async (pending) => {
    if (failures-- > 0) throw new Error("disk full");
    return store.journal.write(pending);
  };
  const failing = { ...tools, store: { ...store, journal: { ...store.journal, write } } };
  const journal = await openJournal(name, failing);
  await expect(journal.begin(orderAt("one"), requestAt("one"), "account")).rejects.toThrow("full");
  await journal.finalizing(key("one"));
  expect(await store.journal.read(name)).toMatchObject({
    orderUrl: "https://one.example/order/1",
    ...key("one"),
  });
});

test("only an order for this request that was being finalized may have its names proven", () => {
  const request = requestFor([name]);
  const own = { ...unfinished, requestHash: requestHash(request) };
  expect(mayBeProven({ ...own, csr: "csr" }, request)).toBe(true);
  expect(mayBeProven(own, request)).toBe(false);
  expect(mayBeProven({ ...unfinished, csr: "csr" }, request)).toBe(false);
  expect(mayBeProven(undefined, request)).toBe(false);
});
