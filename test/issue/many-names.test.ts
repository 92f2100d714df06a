import { describe, expect, test } from "vitest";
import type { Dns, Look } from "../../src/dns/dns.ts";
import { issue } from "../../src/issue/issue.ts";
import { waitUntilVisible } from "../../src/issue/proof/solve.ts";
import { challengeFor } from "../../src/testing.ts";
import { startIssuing } from "../support/issuing.ts";
import {
  heard,
  lookOf,
  pendingBy,
  requestFor,
  solverOf,
  toolsOf,
  unexpected,
  world,
} from "./world.ts";

const names = Array.from({ length: 101 }, (_, index) => `n${index}.example.test`);

describe("a certificate for many names", () => {
  test.each([false, true])(
    "prints one line for each step, not one for each name (terminal: %s)",
    async (terminal) => {
      await using issuing = await startIssuing();
      const most = names.slice(0, 25).join(",");
      const ran = await issuing.issue(["-d", most], { terminal, columns: 120 });
      expect(ran, ran.stderr).toMatchObject({ code: 0 });
      // On a terminal a line that was replaced ends with a return, not with a line feed.
      const lines = ran.stderr
        .replaceAll("\r\u001B[2K", "\n")
        .split("\n")
        .filter((line) => line !== "");
      expect(lines).toEqual([
        expect.stringMatching(/^registering an account/),
        "ordering n0.example.test, n1.example.test, n2.example.test and 22 more",
        expect.stringMatching(
          /^presenting http-01 for n0.example.test, .* and 22 more by standalone$/,
        ),
        "asking the CA to validate 25 names",
        "the CA has validated 25 names",
        "finalizing the order",
        "downloading the certificate",
      ]);
    },
  );

  const wait = async (looks: (name: string, time: number) => Look, count = 101) => {
    const tools = await toolsOf({
      dns: () =>
        unexpected<Dns>("dns", {
          lookForTxt: async (name) => looks(name, tools.clock.monotonic() - begun),
        }),
    });
    const begun = tools.clock.monotonic();
    const presented = names.slice(0, count).map((name) => ({
      challenge: pendingBy(solverOf("cf"), challengeFor("dns-01", name)),
      receipt: null,
    }));
    const { failures } = await waitUntilVisible(presented, requestFor(names), tools);
    return { failures, info: heard(tools, "info"), warn: heard(tools, "warn") };
  };

  test("a wait for many DNS records is reported every 15 s, and once when all are visible", async () => {
    const missing = lookOf({ state: "missing" });
    const { info, warn } = await wait((_, time) => (time < 20_000 ? missing : lookOf()), 3);
    expect(warn).toEqual([]);
    expect(info).toEqual([
      expect.stringMatching(
        /^waiting for _acme-challenge\.n\d\.example\.test and 2 other DNS records, 1\d s of 120 s: 0 of 1 servers show the value$/,
      ),
      "3 DNS records show their values at every server asked",
    ]);
  });

  test("a name server that fails for many names causes one warning", async () => {
    const dead = lookOf({ server: "ns2", state: "fails", outcome: "REFUSED" });
    const look: Look = { verdict: "enough", answers: [...lookOf().answers, ...dead.answers] };
    const { info, warn } = await wait(() => look);
    expect(info).toEqual([]);
    expect(warn).toEqual([
      expect.stringMatching(
        /^_acme-challenge\.n0\.example\.test ns2 says REFUSED; .*\(and 100 other names\); asking the CA anyway$/,
      ),
    ]);
  });

  test("the wait for the CA's validation and for the certificate is reported every 15 s, in one line", async () => {
    const it = await world({ authorizationReuse: 0 });
    const tools = it.again();
    /** For 50 s after the first answer. */
    const late = (status: string) => {
      let end = Infinity;
      const mutate = (json: object) => {
        const now = tools.clock.monotonic();
        end = Math.min(end, now + 50_000);
        return now < end ? { ...json, status, certificate: undefined } : json;
      };
      return { times: Infinity, do: { mutate } };
    };
    it.server.faults.add({ on: "authz", ...late("pending") });
    it.server.faults.add({
      on: ({ kind }) => kind === "finalize" || kind === "order",
      ...late("processing"),
    });
    await issue(it.requestFor(names.slice(0, 3)), {}, tools);
    const waits = heard(tools, "info").filter((line) => line.startsWith("waiting"));
    const validation = waits.filter((line) =>
      /^waiting for the CA to validate n\d\.example\.test( and 1 other name| and 2 other names)?, \d\d s of 600 s$/.test(
        line,
      ),
    );
    const certificate = waits.filter((line) =>
      /^waiting for the CA to issue the certificate, \d\d s of 600 s$/.test(line),
    );
    expect(waits).toEqual([...validation, ...certificate]);
    for (const { length } of [validation, certificate]) {
      expect(length).toBeGreaterThanOrEqual(2);
      expect(length).toBeLessThanOrEqual(4);
    }
  });
});
