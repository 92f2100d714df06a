import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Problem, type Challenge, type Log } from "acmectl/plugin";
import { challengeFor, recordingLog, solverConformance, solverContext } from "acmectl/testing";
import { startDnsServer, testZone } from "../../test/support/dns-server.ts";
import { startIssuing } from "../../test/support/issuing.ts";
import manual from "./index.ts";

const call = { signal: new AbortController().signal };

/** A person who reads the log and does what it says. */
function person() {
  const published = new Set<string>();
  const isPlace = (line: string) => / IN TXT /.test(line) || line.startsWith("http");
  const read = (line: string) => {
    const [, removed] = /can be removed: (.*)$/.exec(line) ?? [];
    if (removed !== undefined) published.delete(removed);
    else if (isPlace(line)) published.add(line);
  };
  const values = (name: string) =>
    [...published]
      .filter((line) => line.startsWith(`${name}. `))
      .map((line) => /"(.*)"$/.exec(line)?.[1] ?? "");
  const reading = (log: Log): Log => ({
    ...log,
    info(message, fields) {
      log.info(message, fields);
      // On a terminal, lines with a step are only shown for a moment.
      if (fields?.["step"] === undefined) read(message);
    },
  });
  return { published, values, reading };
}

describe("conformance of the manual solver and a person who follows it", () => {
  const { values, reading } = person();
  const followed: typeof manual = {
    ...manual,
    create: (options, context) => manual.create(options, { ...context, log: reading(context.log) }),
  };
  const cases = solverConformance({
    plugin: followed,
    options: {},
    type: "dns-01",
    visible: async (challenge) => (challenge.type === "dns-01" ? values(challenge.recordName) : []),
  });
  for (const { name, run } of cases) it(name, run);
});

describe("the manual solver shows", () => {
  const shown = async (...challenges: Extract<Challenge, { type: "dns-01" | "http-01" }>[]) => {
    const log = recordingLog();
    const solver = await manual.create({}, solverContext({ log }));
    await solver.presentAll?.(challenges, { ...call, propagationTimeout: 1_800_000 });
    return log.entries.map(({ message }) => message);
  };

  const waiting =
    "acmectl now checks for up to 30 min whether they are visible (--dns-timeout 30m waits longer). After that, or after Ctrl-C, run the same command again: it continues with the same values.";

  it("every record in zone file format, at the end of its CNAMEs, and the time limit", async () => {
    const own = challengeFor("dns-01", "a.test");
    const other = challengeFor("dns-01", "a.test", { wildcard: true, recordName: "a.acme.test" });
    expect(await shown(own)).toEqual([
      "Add this DNS record if it does not exist, and keep other values at the name:",
      `_acme-challenge.a.test. 60 IN TXT "${own.recordValue}"`,
      waiting,
    ]);
    expect(await shown(own, other)).toEqual([
      "Add these 2 DNS records if they do not exist, and keep other values at their names:",
      `_acme-challenge.a.test. 60 IN TXT "${own.recordValue}"`,
      `a.acme.test. 60 IN TXT "${other.recordValue}"`,
      waiting,
    ]);
  });

  it("URL and content for an IP address, which has no DNS record", async () => {
    const challenge = challengeFor("http-01", "2001:db8::1");
    expect(await shown(challenge)).toEqual([
      `Serve this at http://[2001:db8::1]/.well-known/acme-challenge/${challenge.token}, without a line break at the end:`,
      challenge.body,
      expect.stringContaining("run the same command again"),
    ]);
  });
});

const record = /^(_acme-challenge\S+)\. 60 IN TXT "(\S+)"$/gm;
const recordsIn = (stderr: string) =>
  [...stderr.matchAll(record)].map(
    ([, name = "", data = ""]) => ({ name, type: "TXT", data }) as const,
  );

async function startWorld() {
  const zone = testZone("example.test", ["ns.example.test"]);
  const dns = await startDnsServer({ zones: [zone], recursive: true });
  const issuing = await startIssuing({ resolver: dns.server });
  const looks = ["--dns-resolvers", dns.server, "--no-dns-authoritative", "--dns-interval", "20ms"];
  const issue = (words: readonly string[], signal = new AbortController().signal) =>
    issuing.issue([...words, ...looks], { solver: ["--solver", "manual"], signal });
  const orders = () => issuing.ca.requests.filter(({ kind }) => kind === "newOrder").length;
  return {
    zone,
    issuing,
    issue,
    orders,
    async [Symbol.asyncDispose]() {
      await issuing[Symbol.asyncDispose]();
      await dns.close();
    },
  };
}

/** A person reads stderr as it comes; it is whole only at the end here, and the journal has the value too. */
async function valueInJournal(state: string): Promise<string> {
  for (;;) {
    const text = await readFile(join(state, "pending", "example.test.json"), "utf8").catch(
      () => "",
    );
    const [, data] = /"recordValue": ?"([^"]+)"/.exec(text) ?? [];
    if (data !== undefined) return data;
    await sleep(20);
  }
}

describe("manual with the embedded CA", () => {
  it("issues in two steps without a terminal, with one order and the same values", async () => {
    await using world = await startWorld();
    const { zone, issue, orders } = world;
    const words = ["-d", "example.test,*.example.test"];
    const first = await issue([...words, "--dns-timeout", "1s"]);
    expect(first.code).toBe(7);
    expect(first.stderr).toContain("acmectl now checks for up to 1 s");
    const records = recordsIn(first.stderr);
    expect(records.map(({ name }) => name)).toEqual(Array(2).fill("_acme-challenge.example.test"));
    for (const { data } of records) {
      expect(first.stderr).toContain(
        `The TXT value ${data} that solver manual wrote at _acme-challenge.example.test is not visible`,
      );
    }
    expect(world.issuing.ca.requests.filter(({ kind }) => kind === "challenge")).toEqual([]);
    zone.records.push(...records);
    const second = await issue(words);
    expect(second.stderr).toContain("resuming the order");
    expect(recordsIn(second.stderr)).toEqual(records);
    expect(second.code).toBe(0);
    expect(orders()).toBe(1);
  });

  it("issues in one step if the record is added while it waits", async () => {
    await using world = await startWorld();
    const { zone, issuing, orders } = world;
    const running = world.issue(["-d", "example.test", "--dns-timeout", "15s"]);
    const data = await valueInJournal(issuing.state);
    zone.records.push({ name: "_acme-challenge.example.test", type: "TXT", data });
    const { code, stderr } = await running;
    expect(recordsIn(stderr).map((one) => one.data)).toEqual([data]);
    expect(stderr).toContain(
      "When the certificate is issued, this can be removed: _acme-challenge",
    );
    expect(code).toBe(0);
    expect(orders()).toBe(1);
  });

  it("continues with the same order after Ctrl-C", async () => {
    await using world = await startWorld();
    const { zone, issuing, issue, orders } = world;
    const aborting = new AbortController();
    const running = issue(["-d", "example.test"], aborting.signal);
    await valueInJournal(issuing.state);
    aborting.abort(new Problem("interrupted", { detail: "Stopped by SIGINT." }));
    const interrupted = await running;
    expect(interrupted.code).toBe(130);
    zone.records.push(...recordsIn(interrupted.stderr));
    expect((await issue(["-d", "example.test"])).code).toBe(0);
    expect(orders()).toBe(1);
  });

  it.each([
    ["an IP address", ["-d", "127.0.0.1"]],
    ["a name with --challenge http-01", ["-d", "example.test", "--challenge", "http-01"]],
  ])("issues for %s in two steps, when the file is served", async (_, words) => {
    await using issuing = await startIssuing();
    const files = new Map<string, string>();
    const server = createServer(({ url = "" }, response) => {
      const body = files.get(url);
      response.writeHead(body === undefined ? 404 : 200).end(body);
    });
    server.listen(issuing.httpPort, "127.0.0.1");
    await once(server, "listening");
    const issue = () => issuing.issue(words, { solver: ["--solver", "manual"] });
    const first = await issue();
    expect([first.code, first.stderr]).toEqual([
      7,
      expect.stringContaining("the file that you serve"),
    ]);
    const [, path = "", body = ""] =
      /^Serve this at http:\/\/[\w.]+(\/\S+), .*\n(\S+)$/m.exec(first.stderr) ?? [];
    files.set(path, body);
    expect((await issue()).code).toBe(0);
    server.close();
  });
});
