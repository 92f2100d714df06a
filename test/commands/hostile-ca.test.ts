/** Commands beside issue, at a CA that answers them with anything: what is held stays, and the command works once the CA does. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ResourceKind } from "../../src/test-ca/server/faults.ts";
import { testClock } from "../support/clock.ts";
import { survived } from "../support/counted.ts";
import { answers, readable } from "../support/hostile-answers.ts";
import { startIssuing, type Issuing } from "../support/issuing.ts";

const name = "held.example.test";

describe("a hostile CA", () => {
  let issuing: Issuing;
  const clock = testClock();
  const key = () =>
    readFile(join(issuing.state, "certificates", name, "current", "privkey.pem"), "utf8");
  beforeAll(async () => {
    issuing = await startIssuing();
    expect(await issuing.issue(["-d", name])).toMatchObject({ code: 0 });
  });
  afterAll(() => issuing?.[Symbol.asyncDispose]());

  async function run(words: readonly string[]) {
    const ca = words[0] === "renew" ? [] : issuing.words.slice(0, 4);
    const ran = await issuing.run([...words, ...ca], { clock });
    readable(ran.stdout + ran.stderr);
    expect(ran.code, ran.stderr).not.toBe(1);
    return ran;
  }

  /** What the command does meanwhile, and that it works afterwards. */
  async function during(
    on: ResourceKind,
    action: (typeof answers)[string],
    words: string[],
    phase: "before" | "after" = "before",
  ) {
    const held = await key();
    issuing.ca.faults.add({ on, phase, times: Infinity, do: action });
    const ran = await run(words);
    issuing.ca.faults.clear();
    survived("answers of a hostile CA", 1);
    expect(await key()).toBe(held);
    // Renewal information is due again.
    clock.advance(7 * 3_600_000);
    const again = await run(words);
    expect(again.code, again.stderr).toBe(0);
    expect(await key()).toBe(held);
    return ran;
  }

  test.each(Object.entries(answers))(
    "whose renewal information is %s changes nothing, and renew exits with 0",
    async (_, action) => {
      const ran = await during("renewalInfo", action, ["renew", "--no-jitter"]);
      expect(ran.code, ran.stderr).toBe(0);
    },
  );

  test.each(Object.entries(answers))(
    "that answers an account with %s loses no account",
    async (_, action) => {
      const ran = await during("account", action, ["account", "show"]);
      expect(ran.code, ran.stderr).not.toBe(2);
    },
  );

  test.each(Object.entries(answers))(
    "that answers a key change with %s leaves the account with the key that the CA knows",
    async (_, action) => {
      for (const phase of ["before", "after"] as const) {
        const ran = await during("keyChange", action, ["account", "rollover"], phase);
        if (phase === "before") expect(ran.code, ran.stderr).toBeGreaterThan(2);
      }
    },
  );

  // A CA that answers with success has confirmed.
  const refusals = Object.entries(answers).filter(
    ([, { status = 400, contentType }]) => status >= 300 || contentType === "text/html",
  );

  test.each(refusals)(
    "that answers a revocation with %s leaves the certificate until it has confirmed",
    async (_, action) => {
      const held = await key();
      issuing.ca.faults.add({ on: "revokeCert", times: Infinity, do: action });
      const ran = await issuing.run(["revoke", name, "--yes"], { clock });
      issuing.ca.faults.clear();
      readable(ran.stdout + ran.stderr);
      expect(ran.code, ran.stderr).toBeGreaterThan(2);
      expect(await key()).toBe(held);
    },
  );
});
