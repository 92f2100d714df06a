import { expect, test } from "vitest";
import type { IssuerSetting } from "../../src/certificate.ts";
import { countedCa } from "../../src/issuer/counted.ts";
import { issue } from "../../src/issue/issue.ts";
import { caPause } from "../../src/status/limits.ts";
import { world } from "../issue/world.ts";

async function fleet(accounts: number) {
  const it = await world();
  const issuer: IssuerSetting = { server: it.server.directoryUrl, agreeTos: true, accounts };
  const limits = { ordersPerAccount: { most: 300, per: 3 * 3_600_000 } };
  const get = async (name: string, more = {}) => {
    const { ca, ...rest } = it.again();
    const request = it.requestFor([name], { issuer });
    const counted = { ...rest, ca: countedCa(ca, { ...rest, limits }) };
    return (await issue(request, more, counted)).held.meta;
  };
  const orders = () => it.server.requests.filter(({ kind }) => kind === "newOrder");
  return { it, issuer, get, orders };
}

test("new certificates are ordered by several accounts in turn, which are registered when needed", async () => {
  const { it, get, issuer } = await fleet(2);
  const used: (string | undefined)[] = [];
  for (const name of ["a.test", "b.test", "c.test", "d.test"]) used.push((await get(name)).account);
  expect(new Set(used).size).toBe(2);
  expect(used.filter((one) => one === used[0])).toHaveLength(2);
  expect(await it.store.accounts.ofDirectory(issuer.server)).toHaveLength(2);
  expect(it.count("newAccount")).toBe(2);
});

test("a renewal stays with the account that issued the certificate, so that it may replace it", async () => {
  const { get, orders } = await fleet(3);
  const issued = new Map<string, string>();
  for (const name of ["a.test", "b.test", "c.test"]) issued.set(name, (await get(name)).account);
  expect(new Set(issued.values()).size).toBe(3);
  for (const name of ["c.test", "a.test"])
    expect((await get(name, { isWanted: () => true })).account).toBe(issued.get(name));
  for (const { payload } of orders().slice(3)) expect(payload).toHaveProperty("replaces");
});

test("an account that the CA has paused is passed over, and pauses no certificate while another one is open", async () => {
  const { it, issuer, get } = await fleet(2);
  const first = (await get("a.test")).account;
  const second = (await get("b.test")).account;
  const stored = await it.store.accounts.ofDirectory(issuer.server);
  const urlOf = (id: string) => stored.find((one) => one.id === id)?.url;
  const now = it.tools.clock.now();
  const until = new Date(now.getTime() + 3_600_000).toISOString();
  const pause = (id: string) =>
    it.store.ledger.update(issuer.server, (ledger) => ({
      ...ledger,
      pauses: [...ledger.pauses, { until, account: urlOf(id), detail: "too many orders" }],
    }));
  await pause(first);
  for (const name of ["c.test", "d.test"]) expect((await get(name)).account).toBe(second);
  expect(await caPause({ issuer }, it.store, now)).toBeUndefined();
  await pause(second);
  expect((await caPause({ issuer }, it.store, now))?.end.toISOString()).toBe(until);
});

test("one account is used where nothing else is configured", async () => {
  const { it, get, issuer } = await fleet(1);
  for (const name of ["a.test", "b.test"]) await get(name);
  expect(await it.store.accounts.ofDirectory(issuer.server)).toHaveLength(1);
});
