import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { issue } from "../../src/issue/issue.ts";
import { cleanAllLeftovers, cleanLeftovers } from "../../src/issue/journal.ts";
import type { PresentedChallenge } from "../../src/state/store.ts";
import { systemClock } from "../../src/clock.ts";
import { openFolderStore } from "../../src/state/folder/folder.ts";
import { challengeFor, silentLog } from "../../src/testing.ts";
import { startIssuing } from "../support/issuing.ts";
import { temporaryFolder } from "../support/state.ts";
import {
  heard,
  order,
  problemOf,
  setOf,
  settingOf,
  solverOf,
  temporaryStore,
  toolsOf,
  world,
} from "./world.ts";

function presented(name: string, solver = "cf", receipt?: unknown): PresentedChallenge {
  const challenge = challengeFor("dns-01", name);
  const setting = settingOf(solver);
  return {
    solver: setting,
    type: "dns-01",
    challenge,
    ...(receipt === undefined ? {} : { receipt }),
  };
}

/** A solver that keeps what it was asked to clean, and fails for names that begin with `bad`. */
async function cleaning() {
  const cleaned: { name: string; receipt: unknown }[] = [];
  const solver = solverOf("cf", {
    cleanup: async ({ identifier: { value: name } }, receipt) => {
      if (name.startsWith("bad")) throw new Error("502 Bad Gateway");
      cleaned.push({ name, receipt });
    },
  });
  const tools = await toolsOf({ solvers: setOf(solver) });
  return { cleaned, tools, journal: tools.store.journal };
}

describe("what a run that died left behind", () => {
  test("challenges of a killed run are cleaned up with their receipts, or without", async () => {
    const { cleaned, tools, journal } = await cleaning();
    const entries = [presented("a.example.com", "cf", { id: 7 }), presented("b.example.com")];
    await journal.write({ ...order, presented: entries });
    await cleanLeftovers("example.com", tools);
    expect(cleaned).toEqual([
      { name: "a.example.com", receipt: { id: 7 } },
      { name: "b.example.com", receipt: undefined },
    ]);
    expect(await journal.read("example.com")).toEqual({ ...order, presented: [] });
  });

  test("leftovers that cannot be cleaned up stay in the journal and stop no run", async () => {
    const { cleaned, tools, journal } = await cleaning();
    const entries = [
      presented("bad.example.com"),
      presented("lost.example.com", "uninstalled"),
      presented("good.example.com"),
    ];
    await journal.write({ ...order, presented: entries });
    await cleanLeftovers("example.com", tools);
    expect(cleaned.map(({ name }) => name)).toEqual(["good.example.com"]);
    expect((await journal.read("example.com"))?.presented).toEqual(entries.slice(0, 2));
    expect(heard(tools, "warn")).toEqual([
      expect.stringMatching(
        /^solver cf could not clean up .* bad\.example\.com \(_acme-challenge\.bad\.example\.com\): 502 Bad Gateway; .*acmectl delete example\.com$/,
      ),
      expect.stringMatching(
        /^solver uninstalled could not clean up .* lost\.example\.com .*: no solver uninstalled; /,
      ),
    ]);
  });

  test("the journal of a finished order keeps only failed clean-ups", async () => {
    const { tools, journal } = await cleaning();
    const { orderUrl: _, ...ended } = order;
    await journal.write({ ...ended, presented: [presented("a.example.com")] });
    await cleanLeftovers("example.com", tools);
    expect(await journal.names()).toEqual([]);
  });

  test("leftovers of every certificate are cleaned up, except where another run holds the lock", async () => {
    const { cleaned, tools, journal } = await cleaning();
    for (const name of ["free.example.com", "busy.example.com"])
      await journal.write({ ...order, name, presented: [presented(name)] });
    const lock = await tools.store.lock("certificate:busy.example.com", {
      wait: 0,
      signal: tools.signal,
    });
    await cleanAllLeftovers(tools);
    expect(cleaned.map(({ name }) => name)).toEqual(["free.example.com"]);
    await lock.release();
    await cleanAllLeftovers(tools);
    expect(cleaned.map(({ name }) => name)).toEqual(["free.example.com", "busy.example.com"]);
  });

  test("an interrupted run leaves leftovers alone", async () => {
    const { cleaned, tools, journal } = await cleaning();
    const stopped = { ...tools, signal: AbortSignal.abort(new Error("Ctrl-C")) };
    await journal.write({ ...order, presented: [presented("a.example.com")] });
    await cleanLeftovers("example.com", stopped);
    expect(cleaned).toEqual([]);
    expect((await journal.read("example.com"))?.presented).toHaveLength(1);
  });

  test("without leftovers no lock is taken", async () => {
    const store = await temporaryStore();
    const lock = () => Promise.reject(new Error("no lock was expected"));
    await cleanAllLeftovers(await toolsOf({ store: { ...store, lock } }));
  });
});

describe("what cannot be cleaned up", () => {
  /** A world whose solver fails to clean up while it is told to. */
  async function forgetful() {
    const { tools, again, ...rest } = await world();
    const open = await tools.solvers.open(settingOf("web"));
    const state = { broken: true, cleaned: 0 };
    const solver = {
      ...open.solver,
      cleanup: async (...[challenge, receipt, call]: Parameters<typeof open.solver.cleanup>) => {
        if (state.broken) throw new Error("502 Bad Gateway");
        state.cleaned += 1;
        await open.solver.cleanup(challenge, receipt, call);
      },
    };
    const solvers = setOf({ ...open, solver });
    return { ...rest, state, again: () => again({ solvers }), tools };
  }

  test("a challenge that could not be cleaned up is cleaned up by the next run, though the certificate was issued", async () => {
    const { requestFor, state, again, store } = await forgetful();
    const request = requestFor(["example.test"]);
    expect((await issue(request, {}, again())).issued).toBe(true);
    const left = await store.journal.read("example.test");
    expect(left?.presented).toMatchObject([
      { challenge: { identifier: { value: "example.test" } } },
    ]);
    expect(left).not.toHaveProperty("orderUrl");
    expect(left).not.toHaveProperty("privateKey");
    state.broken = false;
    await cleanAllLeftovers(again());
    expect(state.cleaned).toBe(1);
    expect(await store.journal.names()).toEqual([]);
  });

  test("a new order keeps the leftovers of the one before in the journal", async () => {
    const { requestFor, state, again, store, server } = await forgetful();
    server.faults.add({ on: "finalize", do: { problem: { type: "badCSR" } } });
    await problemOf(issue(requestFor(["example.test"]), {}, again()));
    const other = requestFor(["example.test"], { keyType: "ec384" });
    expect((await issue(other, {}, again())).issued).toBe(true);
    expect((await store.journal.read("example.test"))?.presented).toHaveLength(1);
    state.broken = false;
    await cleanAllLeftovers(again());
    expect(await store.journal.names()).toEqual([]);
  });
});

test("leftovers are cleaned up with the options that they were created with", async () => {
  await using issuing = await startIssuing();
  await using folder = await temporaryFolder();
  const log = join(folder.path, "calls");
  const hook = async (name: string) => {
    const path = join(folder.path, name);
    await writeFile(path, `#!/bin/sh\necho ${name} "$1" >> ${log}\n`, { mode: 0o755 });
    return path;
  };
  const [first, second] = [await hook("first.sh"), await hook("second.sh")];
  const env = { HOME: folder.path, PATH: process.env["PATH"] ?? "" };
  const exec = (path: string) => [
    "--solver",
    "exec",
    "--exec-command",
    path,
    "--dns-cname",
    "none",
  ];
  const store = openFolderStore(issuing.state, { log: silentLog, clock: systemClock });
  await issuing.issue(["-d", "left.example.test", "--dns-timeout", "1ms"], {
    solver: exec(first),
    env,
  });
  const pending = await store.journal.read("left.example.test");
  const challenge = challengeFor("dns-01", "left.example.test");
  const solver = (await store.certificates.read("left.example.test"))?.request.solvers[0];
  if (pending === undefined || solver === undefined) throw new Error("nothing was ordered");
  await store.journal.write({ ...pending, presented: [{ solver, type: "dns-01", challenge }] });
  await writeFile(log, "");
  await issuing.issue(["-d", "other.example.test", "--dns-timeout", "1ms"], {
    solver: exec(second),
    env,
  });
  const calls = (await readFile(log, "utf8")).trim().split("\n");
  expect(calls[0]).toBe("first.sh cleanup");
  expect((await store.journal.read("left.example.test"))?.presented ?? []).toEqual([]);
});
