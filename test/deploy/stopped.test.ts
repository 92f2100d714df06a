import { access } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test, vi } from "vitest";
import { Problem } from "../../src/problem.ts";
import { startIssuing } from "../support/issuing.ts";

test.each([
  {
    hook: "deploy",
    code: 143,
    detail: "Stopped by SIGTERM. Issued before: shop.example.test.",
    hint: "Run `acmectl deploy shop.example.test` to repeat the deploy steps that are left; the next renew does so too.",
  },
  {
    hook: "pre",
    code: 143,
    detail: "Stopped by SIGTERM.",
    hint: "Run the same command again to continue. No certificate was changed.",
  },
])(
  "a run stopped during its $hook hook says what became of the certificate",
  async ({ hook, ...expected }) => {
    await using issuing = await startIssuing();
    const file = join(dirname(issuing.state), "begun");
    const stopping = new AbortController();
    const words = ["-d", "shop.example.test", `--${hook}-hook`, `touch ${file}; sleep 60`];
    const env = { HOME: issuing.state, PATH: process.env["PATH"] ?? "" };
    const ended = issuing.issue([...words, "--json"], { env, signal: stopping.signal });
    const begun = () =>
      access(file).then(
        () => true,
        () => false,
      );
    await vi.waitUntil(begun, { timeout: 30_000 });
    const detail = "Stopped by SIGTERM.";
    const hint = "Run the same command again to continue.";
    stopping.abort(new Problem("interrupted", { detail, hint, exitCode: 143 }));
    const { code, stdout } = await ended;
    const { problem } = JSON.parse(stdout);
    // A suggested command carries the state that was typed.
    const next = String(problem.hint).replace(` --state ${issuing.state}`, "");
    expect({ code, detail: problem.detail, hint: next }).toEqual(expected);
  },
);
