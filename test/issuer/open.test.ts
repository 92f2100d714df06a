import { expect, onTestFinished, test } from "vitest";
import type { DnsSetting } from "../../src/certificate.ts";
import { openTools } from "../../src/issuer/open.ts";
import { recordingLog } from "../../src/testing.ts";
import { testClock } from "../support/clock.ts";
import { contextOf } from "../support/context.ts";
import { temporaryFolder } from "../support/state.ts";
import { requestFor, temporaryStore } from "../issue/world.ts";

async function open() {
  const { issuer } = requestFor(["example.com"]);
  const tools = await openTools(issuer, [], contextOf(), { store: await temporaryStore() });
  onTestFinished(() => tools.close());
  return tools;
}

test.each([
  ["resolvers", { resolvers: ["192.0.2.1"] }],
  ["authoritative servers", { authoritative: false }],
  ["the port of authoritative servers", { authoritativePort: 5353 }],
  ["a look at the resolvers", { recursive: true }],
] satisfies [string, DnsSetting][])(
  "the DNS of a run differs by %s, and is the same for equal settings",
  async (_, setting) => {
    const { dns } = await open();
    expect(dns(setting)).not.toBe(dns({}));
    expect(dns({ ...setting, timeout: 1 })).toBe(dns(setting));
  },
);

test("a solver looks for zones by the DNS setting of its own certificate, not by the first one's", async () => {
  const { solvers } = await open();
  const exec = { name: "exec", use: "exec", options: { command: "/bin/true" } };
  const one = await solvers.open({ ...exec, dns: { resolvers: ["192.0.2.1"] } });
  const same = await solvers.open({ ...exec, dns: { resolvers: ["192.0.2.1"], timeout: 1 } });
  const other = await solvers.open({ ...exec, dns: { resolvers: ["192.0.2.2"] } });
  expect(same.solver).toBe(one.solver);
  expect([one.setting.dns?.timeout, same.setting.dns?.timeout]).toEqual([undefined, 1]);
  expect(other.solver).not.toBe(one.solver);
  const port = { resolvers: ["192.0.2.1"], authoritativePort: 5353 };
  expect((await solvers.open({ ...exec, dns: port })).solver).not.toBe(one.solver);
  // Calls for many names are grouped by this object.
  expect(await solvers.open({ ...exec, dns: { resolvers: ["192.0.2.1"] } })).toBe(one);
});

test.each([-400, 400])(
  "the embedded CA has the clock of the run, here %i days off",
  async (days) => {
    await using folder = await temporaryFolder();
    const clock = testClock(new Date(Date.now() + days * 86_400_000));
    const log = recordingLog();
    const context = contextOf({ folder: folder.path, clock, log });
    const issuer = { server: "local", agreeTos: true };
    const tools = await openTools(issuer, [], context, { store: await context.store() });
    onTestFinished(() => tools.close());
    await tools.ca.directory(context.signal);
    expect(Math.abs(tools.ca.clockSkew)).toBeLessThan(1000);
    expect(log.entries.filter(({ level }) => level === "warn")).toEqual([]);
  },
);

test.each(["local", "https://ca.example/directory"])(
  "a CA bundle that cannot be read is refused for %s",
  async (server) => {
    const issuer = { server, agreeTos: true, caBundle: "/nowhere/ca.pem" };
    const tools = openTools(issuer, [], contextOf(), { store: await temporaryStore() });
    await expect(tools).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining("The CA bundle /nowhere/ca.pem cannot be read"),
    });
  },
);
