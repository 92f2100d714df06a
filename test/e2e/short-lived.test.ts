import { X509Certificate } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Clock } from "../../src/clock.ts";
import { splitWords } from "../../src/options/words.ts";
import { isWhole } from "../support/counted.ts";
import { run, runUnwatched } from "../support/run.ts";
import { schedulerPath } from "../support/scheduled.ts";
import { startCaddyCa } from "../support/servers/caddy.ts";
import { available } from "../support/servers/catalog.ts";
import { startChallengeDns } from "../support/servers/challtestsrv.ts";
import { startStepCa } from "../support/servers/step-ca.ts";
import { temporaryFolder } from "../support/state.ts";

const hour = 3_600_000;
const days = isWhole ? 7 : 3;

/** One clock for acmectl and for the CA, which reads the file; a long sleep moves it on at once. */
function shiftedClock(offsetFile: string) {
  let offset = 0;
  const move = async (milliseconds: number) => {
    offset += milliseconds;
    await writeFile(`${offsetFile}.new`, String(Math.round(offset / 1000)));
    await rename(`${offsetFile}.new`, offsetFile);
    // The CA reads it every few milliseconds.
    await sleep(20);
  };
  const clock: Clock = {
    now: () => new Date(Date.now() + offset),
    monotonic: () => performance.now() + offset,
    sleep: (milliseconds, signal) =>
      milliseconds < 10_000 ? sleep(milliseconds, undefined, { signal }) : move(milliseconds),
  };
  return { clock, move };
}

interface Simulated {
  readonly every: string;
  readonly lifetime: number;
  readonly runs: number;
  readonly issued: number;
  /** Milliseconds left, when least was left. */
  readonly least: number;
}

/** Issue by the words, install the schedule, and run its own command line for some days. */
async function liveOn(
  words: readonly string[],
  offsetFile: string,
  folder: string,
): Promise<Simulated> {
  const { clock, move } = shiftedClock(offsetFile);
  const settings = { env: { HOME: folder, PATH: schedulerPath }, clock };
  const state = ["--state", join(folder, "state")];
  const first = await run(["issue", ...words, ...state], settings);
  expect(first, first.stderr).toMatchObject({ code: 0 });

  const by = ["--by", "cron", "--force", "--dry-run", "--json"];
  const installed = await run(["schedule", "install", ...by, ...state], settings);
  const { line, every } = JSON.parse(installed.stdout) as { line: string; every: string };
  const scheduled = splitWords(line.slice(line.indexOf("acmectl.js") + "acmectl.js".length));
  const command = (scheduled ?? []).slice(0, scheduled?.indexOf("#"));
  expect(command.slice(0, 5)).toEqual(["renew", "-q", "--every", every, "--jitter"]);

  const left = async () => {
    const file = join(folder, "state", "certificates", "here", "current", "cert.pem");
    const { serialNumber, validFromDate, validToDate } = new X509Certificate(await readFile(file));
    const ends = validToDate.getTime();
    return {
      lifetime: ends - validFromDate.getTime(),
      left: ends - clock.now().getTime(),
      serial: serialNumber,
    };
  };
  const { lifetime } = await left();
  const step = every === "1h" ? hour : 2 * hour;
  const serials = new Set<string>();
  const begin = clock.now().getTime();
  let [least, runs] = [lifetime, 0];
  for (let next = begin + step; next <= begin + days * 24 * hour; next += step) {
    await move(Math.max(0, next - clock.now().getTime()));
    const before = await left();
    least = Math.min(least, before.left);
    serials.add(before.serial);
    const ran = await runUnwatched(command, settings);
    expect(ran, ran.stderr).toMatchObject({ code: 0, stderr: "" });
    runs += 1;
  }
  serials.add((await left()).serial);
  return { every, lifetime, runs, issued: serials.size, least };
}

describe.skipIf(!available("step-ca"))("step-ca with its default lifetime", () => {
  test("is renewed in time for days by the command line that schedule install writes", async () => {
    await using folder = await temporaryFolder();
    const offsetFile = join(folder.path, "offset");
    await writeFile(offsetFile, "0");
    const ca = await startStepCa({ offsetFile });
    try {
      const port = String(ca.httpPort);
      const words = [
        ...["-d", "127.0.0.1", "--name", "here", "--server", ca.directoryUrl],
        ...["--ca-bundle", ca.rootFile, "--agree-tos"],
        ...["--standalone", "--standalone-port", port, "--self-check-at", `127.0.0.1:${port}`],
      ];
      const lived = await liveOn(words, offsetFile, folder.path);
      process.stdout.write(`step-ca: ${JSON.stringify(lived)}\n`);
      expect(lived).toMatchObject({ every: "2h", runs: 12 * days });
      expect(Math.round(lived.lifetime / hour)).toBe(24);
      expect(lived.least).toBeGreaterThan(6 * hour);
      expect(lived.issued).toBeLessThanOrEqual(2.5 * days);
    } catch (error) {
      throw new Error(ca.log().slice(-1000), { cause: error });
    } finally {
      await ca.close();
    }
  }, 300_000);
});

describe.skipIf(!available("caddy-shiftable") || !available("pebble"))(
  "Caddy's ACME server with its default lifetime",
  () => {
    test("is renewed in time for days by the command line that schedule install writes", async () => {
      await using folder = await temporaryFolder();
      const offsetFile = join(folder.path, "offset");
      await writeFile(offsetFile, "0");
      const dns = await startChallengeDns();
      const ca = await startCaddyCa({ offsetFile, resolver: dns.dnsServer });
      try {
        const hook = join(folder.path, "hook.mjs");
        await writeFile(
          hook,
          `#!${process.execPath}
const [, , event, host, value] = process.argv;
const verb = event === "present" ? "set-txt" : "clear-txt";
await fetch("${dns.managementUrl}/" + verb, { method: "POST", body: JSON.stringify({ host, value }) });`,
          { mode: 0o755 },
        );
        const words = [
          ...["-d", "a.example.test", "--name", "here", "--server", ca.directoryUrl],
          ...["--ca-bundle", ca.rootFile, "--agree-tos", "--dns-wait", "10ms"],
          ...["--dns-cname", "none", "--no-dns-authoritative"],
          ...["--solver", "exec", "--exec-command", hook],
        ];
        const lived = await liveOn(words, offsetFile, folder.path);
        process.stdout.write(`Caddy: ${JSON.stringify(lived)}\n`);
        expect(lived).toMatchObject({ every: "1h", runs: 24 * days });
        expect(Math.round(lived.lifetime / hour)).toBe(12);
        expect(lived.least).toBeGreaterThan(3 * hour);
        expect(lived.issued).toBeLessThanOrEqual(5 * days);
      } catch (error) {
        throw new Error(ca.log().slice(-1000), { cause: error });
      } finally {
        await ca.close();
        await dns.close();
      }
    }, 300_000);
  },
);
