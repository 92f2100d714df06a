import { X509Certificate, createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { identifierOf, serverNameOf } from "../../src/address.ts";
import { systemClock } from "../../src/clock.ts";
import { Problem } from "../../src/problem.ts";
import { openAnswers } from "../../src/run/answers.ts";
import { openDoors } from "../../src/run/doors.ts";
import { stay } from "../../src/run/service.ts";
import { openFolderStore } from "../../src/state/folder/folder.ts";
import type { Answer } from "../../src/state/store.ts";
import { silentLog } from "../../src/testing.ts";
import { contextOf } from "../support/context.ts";
import { startIssuing } from "../support/issuing.ts";
import { run } from "../support/run.ts";
import { freePort } from "../support/servers/process.ts";
import { temporaryFolder } from "../support/state.ts";

const interrupted = new Problem("interrupted", { detail: "Stopped by SIGTERM.", exitCode: 143 });
const answer: Answer = {
  type: "http-01",
  host: "shop.example.test",
  token: "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA",
  content:
    "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI",
};
const path = (token: string) => `/.well-known/acme-challenge/${token}`;

/** A state in a folder, and a host that answers from it; `reads` counts how often it looked. */
async function host() {
  const folder = await temporaryFolder("acmectl-respond-");
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const store = openFolderStore(join(folder.path, "state"), { log: silentLog, clock: systemClock });
  const [port, tlsPort] = [await freePort(), await freePort()];
  const counted = { reads: 0, broken: false };
  const list = async () => {
    counted.reads += 1;
    if (counted.broken) throw new Problem("machine", { detail: "The database is gone." });
    return store.answers.list();
  };
  const context = contextOf({
    clock: systemClock,
    store: async () => ({ ...store, answers: { ...store.answers, list } }),
  });
  const places = {
    http: [{ host: "127.0.0.1", port }],
    tls: [{ host: "127.0.0.1", port: tlsPort }],
  };
  const opened = await openDoors({ health: [], ...places }, () => ({}), context);
  onTestFinished(() => opened.close());
  const get = async (at: string, init: RequestInit = {}) => {
    const response = await fetch(`http://127.0.0.1:${port}${at}`, init);
    return { status: response.status, text: await response.text() };
  };
  return { store, counted, get, tlsPort };
}

function shake(port: number, servername: string, ALPNProtocols = ["acme-tls/1"]) {
  return new Promise<X509Certificate | undefined>((resolve) => {
    const socket = connect({
      host: "127.0.0.1",
      port,
      servername,
      ALPNProtocols,
      rejectUnauthorized: false,
    });
    socket.once("secureConnect", () => {
      resolve(socket.alpnProtocol === "acme-tls/1" ? socket.getPeerX509Certificate() : undefined);
      socket.destroy();
    });
    socket.once("error", () => resolve(undefined));
  });
}

describe("respond", () => {
  test("answers what any process puts into the state at once, and no longer than it is there", async () => {
    const { store, get } = await host();
    expect(await get(path(answer.token))).toEqual({ status: 404, text: "" });
    await store.answers.put(answer, 60_000);
    expect(await get(path(answer.token))).toEqual({ status: 200, text: answer.content });
    expect(await get(path(answer.token), { method: "HEAD" })).toEqual({ status: 200, text: "" });
    await store.answers.put({ ...answer, token: "ended" }, 0);
    expect((await get(path("ended"))).status).toBe(404);
  });

  test.each([
    "/",
    "/.well-known/acme-challenge/",
    path("a/b"),
    path("a%2e"),
    path("x".repeat(600)),
  ])("answers 404 to %s without a look at the state", async (at) => {
    const { get, counted } = await host();
    expect(await get(at)).toEqual({ status: 404, text: "" });
    expect((await get(path("token"), { method: "POST" })).status).toBe(404);
    expect(counted.reads).toBe(0);
  });

  test("reads the state at most four times a second under a flood of unknown tokens, and still answers", async () => {
    const { store, get, counted } = await host();
    await get(path("first"));
    const started = performance.now();
    const flood = Array.from({ length: 20 }, async (_, client) => {
      for (let round = 0; round < 8; round += 1)
        expect((await get(path(`t${client}-${round}`))).status).toBe(404);
    });
    await sleep(300);
    await store.answers.put(answer, 60_000);
    const asked = performance.now();
    expect((await get(path(answer.token))).text).toBe(answer.content);
    expect(performance.now() - asked).toBeLessThan(1_000);
    await Promise.all(flood);
    const seconds = (performance.now() - started) / 1000;
    expect(counted.reads).toBeLessThanOrEqual(2 + 4 * seconds);
    expect(counted.reads).toBeLessThan(20);
  });

  test("answers 503 while the state cannot be read, and what it knows", async () => {
    const { store, get, counted } = await host();
    await store.answers.put(answer, 60_000);
    await get(path(answer.token));
    counted.broken = true;
    expect((await get(path("unknown"))).status).toBe(503);
    expect((await get(path(answer.token))).status).toBe(200);
    counted.broken = false;
    expect((await get(path("unknown"))).status).toBe(404);
  });

  test("shows the certificate of tls-alpn-01 for a name and an address, and to no others", async () => {
    const { store, tlsPort } = await host();
    const names = ["shop.example.test", "7.2.0.192.in-addr.arpa"];
    for (const name of names)
      await store.answers.put({ ...answer, type: "tls-alpn-01", host: name }, 60_000);
    const digest = createHash("sha256").update(answer.content).digest();
    const shown = await Promise.all(names.map((name) => shake(tlsPort, name)));
    expect(shown.map((one) => one?.subjectAltName)).toEqual([
      "DNS:shop.example.test",
      "IP Address:192.0.2.7",
    ]);
    expect(shown.every((one) => one?.raw.includes(digest))).toBe(true);
    expect(await shake(tlsPort, "other.example.test")).toBeUndefined();
    expect(await shake(tlsPort, "shop.example.test", ["h2"])).toBeUndefined();
  });

  test("a name in the reverse zone is an address again", () => {
    for (const value of ["192.0.2.7", "2001:db8::1", "::"])
      expect(identifierOf(serverNameOf({ type: "ip", value }))).toEqual({ type: "ip", value });
    expect(identifierOf("shop.example.test")).toEqual({ type: "dns", value: "shop.example.test" });
  });

  test("an answer that was put after a question is found by the next one, however often the state is read", async () => {
    const state: Answer[] = [];
    const known = openAnswers(async () => [...state], systemClock);
    const find = (token: string) => known.find((one) => one.token === token);
    for (let index = 0; index < 5; index += 1) {
      const token = `t${index}`;
      expect(await find(token)).toBeUndefined();
      state.push({ ...answer, token });
      expect(await find(token)).toMatchObject({ token });
    }
  });
});

describe("the commands", () => {
  test("`respond --listen` is ready exactly while the state can be used", async () => {
    const port = await freePort();
    const stopping = new AbortController();
    let fault: Error | undefined = new Problem("machine", { detail: "The database is gone." });
    const exists = async () => {
      if (fault !== undefined) throw fault;
      return true;
    };
    const given = contextOf();
    const store = async () => ({ ...(await given.store()), exists });
    const { signal } = stopping;
    const staying = stay(
      { health: [{ host: "127.0.0.1", port }], http: [], tls: [] },
      { ...given, signal, store, redact: (text) => text.replace("database", "***") },
    );
    const ready = () =>
      fetch(`http://127.0.0.1:${port}/readyz`).then(
        (response) => response.text(),
        () => "",
      );
    await expect.poll(ready).toBe("The *** is gone.\n");
    fault = undefined;
    await expect.poll(ready).toBe("ok\n");
    fault = new Problem("machine", { detail: "The database is gone." });
    await expect.poll(ready).toBe("The *** is gone.\n");
    stopping.abort(interrupted);
    await expect(staying).resolves.toMatchObject({ document: { outcome: "ended" } });
  });

  test("`respond` answers for a run elsewhere with the solver respond, by http-01 and by tls-alpn-01", async () => {
    const tlsPort = await freePort();
    await using issuing = await startIssuing({ tlsPort });
    const stopping = new AbortController();
    const { httpPort, state, home } = issuing;
    const words = ["respond", "--http", `127.0.0.1:${httpPort}`, "--tls", `${tlsPort}`];
    const responding = run([...words, "--state", state], {
      env: { HOME: home },
      signal: stopping.signal,
    });
    const solver = ["--solver", "respond"];
    const byHttp = await issuing.issue(["-d", "shop.example.test"], { solver });
    expect([byHttp.code, byHttp.stderr]).toEqual([0, expect.stringContaining("validated")]);
    const byTls = await issuing.issue(
      ["-d", "mail.example.test", "--challenge", "tls-alpn-01", "--no-self-check"],
      { solver },
    );
    expect([byTls.code, byTls.stderr]).toEqual([0, expect.stringContaining("validated")]);
    stopping.abort(interrupted);
    const { code, stdout, stderr } = await responding;
    expect(code).toBe(0);
    expect(stdout).toMatch(/http-01 at 127\.0\.0\.1:\d+; tls-alpn-01 at/);
    expect(stderr).toMatch(/answered a validation request for shop\.example\.test/);
    const store = openFolderStore(state, { log: silentLog, clock: systemClock });
    expect(await store.answers.list()).toEqual([]);
  });

  test("`run --respond` answers for its own orders", async () => {
    await using issuing = await startIssuing();
    const { ca, httpPort, home, words } = issuing;
    const config = join(home, "config.yaml");
    await writeFile(
      config,
      `issuers: { lab: { server: "${ca.directoryUrl}", agreeTos: true, caBundle: "${words[3]}" } }
defaults: { solver: respond, selfCheckAt: "127.0.0.1:${httpPort}" }
solvers: { respond: { use: respond } }
certificates: { shop: { domains: [shop.example.test] } }
`,
    );
    const places = ["--respond", "--http", `127.0.0.1:${httpPort}`];
    const ran = await issuing.run(["run", "--once", ...places, "--config", config]);
    expect([ran.code, ran.stderr]).toEqual([0, expect.stringContaining("answered a validation")]);
  });

  test.each([
    ["respond --http none", "nothing to answer"],
    ["respond --http nonsense", "is not a place to listen on"],
    ["run --tls 443", "--tls is for --respond"],
  ])("%s is refused", async (line, text) => {
    const folder = await temporaryFolder("acmectl-respond-");
    onTestFinished(() => folder[Symbol.asyncDispose]());
    const ran = await run(line, { env: { HOME: folder.path } });
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining(text)]);
  });
});
