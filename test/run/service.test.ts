import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { Problem } from "../../src/problem.ts";
import { testClock } from "../support/clock.ts";
import { startIssuing, type Issuing } from "../support/issuing.ts";
import type { Ran, RunOptions } from "../support/run.ts";
import { freePort } from "../support/servers/process.ts";

const interrupted = new Problem("interrupted", { detail: "Stopped by SIGTERM.", exitCode: 143 });

async function configured(options: Parameters<typeof startIssuing>[0] = {}) {
  const issuing = await startIssuing(options);
  onTestFinished(() => issuing[Symbol.asyncDispose]());
  const path = join(issuing.home, "config.yaml");
  const write = (certificates: string) =>
    writeFile(
      path,
      `issuers: { lab: { server: "${issuing.ca.directoryUrl}", agreeTos: true, caBundle: "${issuing.words[3]}" } }
solvers: { here: { use: standalone, port: ${issuing.httpPort} } }
defaults: { selfCheckAt: "127.0.0.1:${issuing.httpPort}" }
certificates: ${certificates}
`,
    );
  return { issuing, path, write };
}

interface Service {
  readonly port: number;
  get(path: string): Promise<{ status: number; text: string }>;
  /** Until `path` answers 200 and `text`. */
  until(path: string, text: RegExp): Promise<string>;
  hangup(): void;
  stop(): Promise<Ran>;
}

async function start(issuing: Issuing, config: string, options: RunOptions = {}): Promise<Service> {
  const port = await freePort();
  const stopping = new AbortController();
  const listeners = new Set<() => void>();
  const onHangup = (listener: () => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  const words = ["run", "--config", config, "--listen", `127.0.0.1:${port}`];
  const ended = issuing.run(words, { ...options, signal: stopping.signal, onHangup });
  const get = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined);
    return { status: answer?.status ?? 0, text: (await answer?.text()) ?? "" };
  };
  return {
    port,
    get,
    async until(path, text) {
      for (let tries = 0; tries < 400; tries += 1) {
        const answer = await get(path);
        if (answer.status === 200 && text.test(answer.text)) return answer.text;
        await sleep(50);
      }
      throw new Error(`${path} never answered ${text}: ${(await get(path)).text}`);
    },
    hangup: () => listeners.forEach((listener) => listener()),
    stop: () => {
      stopping.abort(interrupted);
      return ended;
    },
  };
}

describe("run", () => {
  test("issues what the config asks for, answers monitors, and ends with exit code 0 when it is stopped", async () => {
    const { issuing, path, write } = await configured();
    await write("{ shop: { domains: [shop.example.test] } }");
    const service = await start(issuing, path);
    const metrics = await service.until("/metrics", /not_after_timestamp_seconds\{name="shop"\}/);
    expect(metrics).toMatch(/^acmectl_run_config_refused 0$/m);
    expect(await service.until("/readyz", /ok/)).toBe("ok\n");
    expect(await service.get("/healthz")).toEqual({ status: 200, text: "ok\n" });
    expect((await service.get("/")).status).toBe(404);
    const { code, stdout, stderr } = await service.stop();
    expect(stderr).toMatch(/issuing shop/);
    expect(stderr).toMatch(/Issued shop, valid until/);
    expect(stdout).toMatch(/^Running with the state in .*; health at 127\.0\.0\.1:\d+\./);
    expect([code, stdout]).toEqual([0, expect.stringContaining("Stopped.")]);
  });

  test("applies a changed config on SIGHUP, and keeps the one in force if the new one has mistakes", async () => {
    const { issuing, path, write } = await configured();
    await write("{}");
    const service = await start(issuing, path);
    await service.until("/readyz", /ok/);
    await write("{ shop: { domain: [shop.example.test] } }");
    service.hangup();
    await service.until("/metrics", /config_refused 1/);
    await write("{ shop: { domains: [shop.example.test] } }");
    service.hangup();
    await service.until("/metrics", /not_after_timestamp_seconds\{name="shop"\}/);
    await service.until("/metrics", /config_refused 0/);
    const { code, stderr } = await service.stop();
    expect(stderr).toMatch(/Warning: the previous config stays in force: .*config validate/);
    expect(stderr).toMatch(/config\.yaml again/);
    expect(code).toBe(0);
  });

  test("renews a certificate when it is due, by the clock of the machine", async () => {
    const clock = testClock();
    const validity = 2 * 3_600_000;
    const excused = { "at most one order per attempt": "a service renews more than once" };
    const { issuing, path, write } = await configured({
      now: () => clock.now(),
      profiles: { short: { description: "two hours", validity } },
    });
    await write("{ shop: { domains: [shop.example.test] } }");
    const from = clock.now().getTime();
    const service = await start(issuing, path, { clock, excused });
    const current = join(issuing.state, "certificates", "shop", "versions", "2", "meta.json");
    await service.until("/readyz", /ok/);
    let meta: string | undefined;
    while (meta === undefined) {
      meta = await readFile(current, "utf8").catch(() => undefined);
      await sleep(20);
    }
    const { stderr } = await service.stop();
    expect(stderr).toMatch(/renewing shop: the time chosen in the CA's renewal window/);
    const renewed = Date.parse((JSON.parse(meta) as { issuedAt: string }).issuedAt) - from;
    expect(renewed).toBeGreaterThan(60_000);
    expect(renewed).toBeLessThan(3_600_000);
  }, 60_000);

  test("is not ready while its state cannot be used, and goes on when it can", async () => {
    const { issuing, path, write } = await configured();
    await write("{}");
    const certificates = join(issuing.state, "certificates");
    await mkdir(certificates, { recursive: true, mode: 0o700 });
    await chmod(certificates, 0o777);
    const clock = testClock();
    const service = await start(issuing, path, { clock });
    let answer = await service.get("/readyz");
    while (!answer.text.includes("not safe")) answer = await service.get("/readyz");
    expect(answer.status).toBe(503);
    await chmod(certificates, 0o700);
    await service.until("/readyz", /ok/);
    const { code, stderr } = await service.stop();
    expect(stderr).toMatch(/the pass failed: .*not safe.* Hint: /);
    expect(code).toBe(0);
  });

  test("pulls every minute, without a pass in between", async () => {
    const { issuing, path, write } = await configured();
    await write("{}\npull: { here: {} }");
    const clock = testClock();
    const from = clock.now().getTime();
    const service = await start(issuing, path, { clock });
    while (clock.now().getTime() - from < 20 * 60_000) await sleep(20);
    const last = await service.until("/metrics", /last_pass_timestamp_seconds \d/);
    const at = Number(/last_pass_timestamp_seconds ([\d.]+)/.exec(last)?.[1]) * 1000;
    expect(at - from).toBeLessThan(5 * 60_000);
    const { stderr } = await service.stop();
    const pulls = stderr.match(/could not pull certificates: .* is a folder on this host/g) ?? [];
    expect(pulls.length).toBeGreaterThan(15);
  }, 20_000);

  test("--once makes one pass, with the exit codes of renew", async () => {
    const { issuing, path, write } = await configured();
    await write("{ shop: { domains: [shop.example.test] } }");
    const words = ["run", "--once", "--detailed-exitcode", "--config", path, "--json"];
    const first = await issuing.run(words);
    expect([first.code, JSON.parse(first.stdout)]).toMatchObject([
      10,
      { command: "run", outcome: "issued", certificates: [{ name: "shop", outcome: "issued" }] },
    ]);
    expect((await issuing.run(words)).code).toBe(0);
    await write("{ shop: { domains: [shop.example.test], solver: none-such } }");
    expect((await issuing.run(words)).code).toBe(2);
  });

  test.each([
    ["127.0.0.1", 2, "is not a place to listen on"],
    ["localhost:80", 2, "is not a place to listen on"],
    ["127.0.0.1:99999", 2, "is not a place to listen on"],
    ["192.0.2.1:9402", 3, "Choose an address of this machine"],
    ["unix:/nowhere/health.sock", 3, "another path for the socket"],
  ])("--listen %s ends with %i", async (place, code, text) => {
    const { issuing, path, write } = await configured();
    await write("{}");
    const ran = await issuing.run(["run", "--config", path, "--listen", place]);
    expect(ran.code).toBe(code);
    expect(ran.stderr).toContain(text);
  });

  test("says that the port is in use", async () => {
    const { issuing, path, write } = await configured();
    await write("{}");
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const ran = await issuing.run(["run", "--config", path, "--listen", `127.0.0.1:${port}`]);
    other.close();
    expect([ran.code, ran.stderr]).toEqual([3, expect.stringContaining("Choose another port")]);
  });

  test("answers at a unix socket, which other users of its group may open", async () => {
    const { issuing, path, write } = await configured();
    await write("{}");
    const socketPath = join(issuing.home, "health.sock");
    const stopping = new AbortController();
    const words = ["run", "--config", path, "--listen", `unix:${socketPath}`];
    const ended = issuing.run(words, { signal: stopping.signal });
    const ask = () =>
      new Promise<number | undefined>((resolve) => {
        httpRequest({ socketPath, path: "/healthz" }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        })
          .on("error", () => resolve(undefined))
          .end();
      });
    while ((await ask()) !== 200) await sleep(50);
    stopping.abort(interrupted);
    expect((await ended).code).toBe(0);
  });

  test("tells systemd when it is ready, what it waits for, and that it stops", async () => {
    const { issuing, path, write } = await configured();
    await write("{}");
    const programs = join(issuing.home, "bin");
    const sent = join(issuing.home, "sent");
    await mkdir(programs);
    const script = `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >> ${sent}\n`;
    await writeFile(join(programs, "systemd-notify"), script, { mode: 0o755 });
    const env = {
      HOME: issuing.home,
      PATH: `${programs}:${process.env["PATH"]}`,
      NOTIFY_SOCKET: "@test",
      WATCHDOG_USEC: "200000",
    };
    const service = await start(issuing, path, { env });
    await service.until("/metrics", /next_pass_timestamp_seconds \d/);
    service.hangup();
    const read = () => readFile(sent, "utf8").catch(() => "");
    while (!/RELOADING[\s\S]*READY[\s\S]*WATCHDOG/.test(await read())) await sleep(50);
    expect((await service.stop()).code).toBe(0);
    const lines = (await read()).trim().split("\n");
    const without = lines.filter((line) => line !== "@test WATCHDOG=1");
    expect(without.length).toBeLessThan(lines.length);
    expect(without).toEqual([
      "@test READY=1 STATUS=Making the first pass",
      expect.stringMatching(/^@test STATUS=Waiting until [-\d: ]+ UTC$/),
      expect.stringMatching(/^@test RELOADING=1 MONOTONIC_USEC=\d+$/),
      "@test READY=1 STATUS=Read the config again",
      expect.stringMatching(/^@test STATUS=Waiting until/),
      "@test STOPPING=1",
    ]);
  });
});
