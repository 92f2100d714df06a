/** `renew` as a schedule runs it, by a clock of the test's, with a CA that lies. */
import { X509Certificate } from "node:crypto";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { certificateId } from "../../src/acme/certificate/extensions.ts";
import type { RequestRecord, TestCaOptions } from "../../src/test-ca/test-ca.ts";
import { testClock } from "../support/clock.ts";
import { isWhole, patience } from "../support/counted.ts";
import { startIssuing } from "../support/issuing.ts";
import { runUnwatched } from "../support/run.ts";

const hour = 3_600_000;
const day = 24 * hour;
const every = 6 * hour;

/** A certificate that the CA issued or returned. */
interface Sent {
  readonly name: string;
  readonly issued: number;
  readonly ends: number;
  readonly ariId: string;
}

type Window = readonly [start: number, end: number];

const usual = (issued: number): Window => [issued + 59 * day, issued + 61 * day];
/** What the CA answers about a certificate: a window, no such certificate, or another document. */
type Answer = Window | "absent" | "garbage";
const answers: Readonly<
  Record<string, (sent: Sent, before: Sent | undefined, age: number) => Answer>
> = {
  "open.test": ({ issued }) => [issued - hour, issued + 40 * day],
  "past.test": ({ issued }) => [issued - 20 * day, issued - 10 * day],
  "predecessor.test": ({ issued }, before) => usual(before?.issued ?? issued),
  "expired.test": ({ issued }) => usual(issued),
  "identical.test": ({ issued }) => usual(issued),
  "unknown.test": ({ ends }, _, age) => {
    if (age > 200 * day) return [ends + day, ends + 1000 * day];
    return age > 100 * day ? "garbage" : "absent";
  },
};
const names = Object.keys(answers);
/** The days on which the CA returns the first certificate instead of a new one: it has expired by then, or it has not. */
const returns: Readonly<Record<string, readonly [from: number, to: number]>> = {
  "expired.test": [110, 130],
  "identical.test": [50, 70],
};

/** A schedule's runs against the embedded CA, which has the same clock. */
async function scheduled(
  certificates: Readonly<Record<string, readonly string[]>>,
  more: TestCaOptions = {},
  issuer = "",
) {
  const clock = testClock();
  const start = clock.now().getTime();
  const options = { authorizationReuse: 400 * day, ...more, now: () => clock.now() };
  const issuing = await startIssuing(options);
  const { ca, state, home, httpPort } = issuing;
  await mkdir(state, { recursive: true });
  const config = join(home, "config.yaml");
  const lines = Object.entries(certificates).map(
    ([name, domains]) => `  ${name}: { domains: [${domains.join()}], reuseKey: true }`,
  );
  await writeFile(
    config,
    `issuers:
  lab: { server: "${ca.directoryUrl}", agreeTos: true, caBundle: "${issuing.words[3]}"${issuer} }
solvers:
  here: { use: standalone, port: ${httpPort} }
defaults: { selfCheckAt: "127.0.0.1:${httpPort}" }
certificates:
${lines.join("\n")}
`,
  );
  const apply = async () => {
    const words = ["apply", "--no-jitter", "--config", config];
    const { code, stderr } = await issuing.run(words, { clock });
    expect(code, stderr).toBe(0);
  };
  const renew = () => {
    const words = ["renew", "-q", "--every", "6h", "--no-jitter", "--concurrency", "2"];
    return runUnwatched([...words, "--state", state], { env: { HOME: home }, clock });
  };
  const list = async () => {
    const words = ["list", "--json", "--state", state];
    const { stdout } = await runUnwatched(words, { env: { HOME: home }, clock });
    return (JSON.parse(stdout) as { certificates: Record<string, string>[] }).certificates;
  };
  return { ...issuing, clock, start, apply, renew, list };
}

/** Lies as above, and writes down what was sent. */
function lie({ ca, clock, start }: Awaited<ReturnType<typeof scheduled>>) {
  const sent = new Map<string, readonly Sent[]>();
  const chains = new Map<string, string>();
  const returned = new Map<string, number>();
  const age = () => clock.now().getTime() - start;
  ca.faults.add({
    on: "certificate",
    times: Infinity,
    do: {
      pem: (chain) => {
        const leaf = readLeaf(chain, clock.now().getTime());
        const old = chains.get(leaf.name);
        const [from, to] = returns[leaf.name] ?? [Infinity, 0];
        if (old !== undefined && age() > from * day && age() < to * day) {
          returned.set(leaf.name, (returned.get(leaf.name) ?? 0) + 1);
          return old;
        }
        if (old === undefined) chains.set(leaf.name, chain);
        sent.set(leaf.name, [leaf, ...(sent.get(leaf.name) ?? [])]);
        return chain;
      },
    },
  });
  for (const [name, answer] of Object.entries(answers)) {
    const current = () => {
      const [latest, before] = sent.get(name) ?? [];
      return latest === undefined ? "absent" : answer(latest, before, age());
    };
    const asked = (path: string) =>
      (sent.get(name) ?? []).some(({ ariId }) => path.endsWith(ariId));
    const on = (what: (now: Answer) => boolean) => (request: { kind: string; path: string }) =>
      request.kind === "renewalInfo" && asked(request.path) && what(current());
    const problem = { type: "malformed", detail: "No such certificate." };
    const absent = { status: 404, problem };
    ca.faults.add({ on: on((now) => now === "absent"), times: Infinity, do: absent });
    const garbage = { body: "<html>", contentType: "text/html" };
    ca.faults.add({ on: on((now) => now === "garbage"), times: Infinity, do: garbage });
    const mutate = (json: Record<string, unknown>) => {
      const now = current();
      if (typeof now === "string") return json;
      const [from, to] = now.map((time) => new Date(time).toISOString());
      return { ...json, suggestedWindow: { start: from, end: to } };
    };
    ca.faults.add({ on: on(Array.isArray), times: Infinity, do: { mutate } });
  }
  return { sent, returned };
}

function readLeaf(chain: string, issued: number): Sent {
  const leaf = new X509Certificate(chain);
  return {
    name: leaf.subjectAltName?.replace("DNS:", "") ?? "",
    issued,
    ends: leaf.validToDate.getTime(),
    ariId: certificateId(leaf) ?? "",
  };
}

/** To be fast, the machine is on for two days of sixty, and in between for one run every fifth day. */
const isOn = (age: number) => isWhole || age % (60 * day) < 2 * day || age % (5 * day) === 0;

test(
  "300 days of `renew --every 6h` with a CA whose renewal information and certificates are wrong: no loop, no expiry, orders below the weekly cap",
  async () => {
    await using all = await scheduled(Object.fromEntries(names.map((name) => [name, [name]])));
    const { ca, clock, start, apply, renew, list } = all;
    const { sent, returned } = lie(all);
    await apply();
    for (let age = every; age <= 300 * day; age += every) {
      if (!isOn(age)) continue;
      clock.set(new Date(start + age));
      const { code, stderr } = await renew();
      expect([0, 4, 6, 11], stderr).toContain(code);
      for (const name of names)
        expect(sent.get(name)?.[0]?.ends, `${name} after ${age / day} days`).toBeGreaterThan(
          start + age + day,
        );
      if (age % (50 * day) > 0) continue;
      for (const { name = "", notAfter = "" } of await list())
        expect(Date.parse(notAfter), name).toBe(sent.get(name)?.[0]?.ends);
    }
    for (const name of Object.keys(returns)) expect(returned.get(name), name).toBeGreaterThan(2);
    for (const name of names) {
      const times = ordersOf(ca.requests, name);
      const week = (from: number) => times.filter((one) => one >= from && one < from + 7 * day);
      const most = Math.max(...times.map((time) => week(time).length));
      process.stdout.write(`${name}: ${times.length} orders, at most ${most} a week\n`);
      // Windows alone never lead to the cap.
      expect(most, name).toBeLessThan(name in returns ? 5 : 4);
      expect(times.length, name).toBeGreaterThan(3);
    }
  },
  patience,
);

/** When the CA accepted them. One that it refused since it replaces nothing was placed again without `replaces`. */
function ordersOf(requests: readonly RequestRecord[], name: string): readonly number[] {
  return requests
    .filter(({ kind, status }) => kind === "newOrder" && status === 201)
    .filter(({ payload }) => JSON.stringify(payload).includes(JSON.stringify(name)))
    .map(({ time }) => time.getTime());
}

test(
  "a mass revocation on day 100 is met within 24 hours for each certificate, below the CA's limit of orders",
  async () => {
    const profiles = { long: { description: "200 days", validity: 200 * day } };
    const all = isWhole ? 100 : 30;
    const most = 0.4 * all;
    const limits = `, limits: { ordersPerAccount: "${most}/3h" }`;
    const half = (letter: string) =>
      Array.from({ length: all / 2 }, (_, index) => `${letter}${index}.example.test`);
    const both = { one: half("a"), two: half("b") };
    await using world = await scheduled(both, { profiles }, limits);
    const { ca, state, clock, start, apply, renew, list } = world;
    const ids = new Set<string>();
    const pem = (chain: string) => {
      ids.add(readLeaf(chain, start).ariId);
      return chain;
    };
    ca.faults.add({ on: "certificate", times: 2, do: { pem } });
    await apply();
    for (const [name, names] of Object.entries(both))
      splitUp(join(state, "certificates"), name, names);
    const revocation = start + 100 * day;
    /** Certificates that are still those of the first day. */
    const left = async () =>
      (await list()).filter(({ notAfter = "" }) => Date.parse(notAfter) < start + 250 * day).length;
    for (let time = revocation - 2 * every; time < revocation; time += every) {
      clock.set(new Date(time));
      const { code, stderr } = await renew();
      expect(code, stderr).toBe(0);
    }
    expect(await left()).toBe(all);

    const [from, to] = [new Date(revocation - 2 * day), new Date(revocation - day)];
    for (const id of ids) ca.setRenewalInfo(id, { start: from, end: to });
    const accepted = () =>
      ca.requests.filter(({ kind, status }) => kind === "newOrder" && status === 201).length;
    const orders: number[] = [];
    for (let time = revocation + every / 2; time < revocation + day; time += every) {
      clock.set(new Date(time));
      const before = accepted();
      await renew();
      orders.push(accepted() - before);
    }
    expect(orders).toEqual([most, most, all - 2 * most, 0]);
    expect(await left()).toBe(0);
  },
  patience,
);

/** Makes of a certificate one for each of its names, as if the CA had added the others. */
function splitUp(certificates: string, name: string, names: readonly string[]): void {
  for (const value of names) {
    const folder = join(certificates, value);
    cpSync(join(certificates, name), folder, { recursive: true, verbatimSymlinks: true });
    const identifiers = [{ type: "dns", value }];
    edit(join(folder, "certificate.json"), ({ request, ...rest }) => ({
      ...rest,
      status: { failures: 0 },
      request: { ...request, name: value, identifiers },
    }));
    const added = names.filter((one) => one !== value).map((one) => ({ type: "dns", value: one }));
    // Of another account, so that no two orders replace the same certificate.
    edit(join(folder, "current", "meta.json"), (facts) => {
      return { ...facts, identifiers, added, account: "former" };
    });
  }
  rmSync(join(certificates, name), { recursive: true });
}

function edit(file: string, change: (json: Record<string, object>) => object): void {
  const json = JSON.parse(readFileSync(file, "utf8")) as Record<string, object>;
  writeFileSync(file, JSON.stringify(change(json), null, 2));
}
