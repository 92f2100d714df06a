import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { channels, notifyOptions } from "../../src/options/declared/notification.ts";
import { run } from "../support/run.ts";
import { temporaryFolder } from "../support/state.ts";

const page = await readFile(new URL("../../docs/notify.md", import.meta.url), "utf8");

async function withConfig(text: string, ...words: string[]) {
  await using folder = await temporaryFolder();
  const config = join(folder.path, "config.yaml");
  await writeFile(config, text, { mode: 0o600 });
  return await run([...words, "--config", config], { env: { HOME: folder.path } });
}

test("the configs in docs/notify.md are valid", async () => {
  for (const [, yaml = ""] of page.matchAll(/```yaml\n([^]*?)```/g)) {
    const { code, stderr } = await withConfig(yaml, "config", "validate");
    expect(code, stderr).toBe(0);
  }
});

test("docs/notify.md names every channel and every option", () => {
  const words = [
    ...Object.keys(notifyOptions),
    ...Object.values(channels).flatMap(({ options }) => Object.keys(options)),
  ];
  expect(words.filter((word) => !page.includes(`\`${word}`))).toEqual([]);
});

test.each([
  ["{ ops: { events: [failure] } }", "notify.ops has none of email, slack, "],
  ["{ ops: { slack: x, run: y } }", "notify.ops has more than one of email, slack"],
  ["{ ops: { slak: x } }", '"slak" is not an option of notify.ops. Did you mean "slack"?'],
  ["{ ops: { email: { server: 'smtp://x' } } }", 'notify.ops.email requires "to".'],
  ["{ ops: { slack: x, events: [expired] } }", 'notify.ops.events has "expired"'],
  ["{ ops: { run: [] } }", "notify.ops.run must be a text, or a list of a program"],
  ["{ ops: ops@example.com }", "notify.ops must hold options, as in `{ email: … }`."],
  ["[ops]", "notify must hold named entries."],
])("notify: %s is refused", async (yaml, message) => {
  const { code, stderr } = await withConfig(`notify: ${yaml}\n`, "config", "validate");
  expect(code).toBe(2);
  expect(stderr).toContain(message);
});

test("config get hides addresses, tokens and headers that are written in the file", async () => {
  const { stdout } = await withConfig(
    `notify:
  a: { slack: "https://hooks.slack.com/services/T0/B0/s3cret" }
  b: { webhook: { url: "https://example.com/s3cret", headers: { X: s3cret } } }
  c: { email: { to: ops@example.com, password: s3cret } }
  d: { ntfy: { url: "env:NTFY", token: s3cret } }
`,
    "config",
    "get",
    "notify",
  );
  expect(stdout).not.toContain("s3cret");
  expect(stdout).toContain("env:NTFY");
  expect(stdout).toContain("ops@example.com");
});

test("notify test without an entry, or with an unknown name, says what to do", async () => {
  const none = await withConfig("defaults: {}\n", "notify", "test");
  expect(none.code).toBe(2);
  expect(none.stderr).toContain("has no entry in notify");
  const other = await withConfig("notify: { chat: { run: 'true' } }\n", "notify", "test", "cat");
  expect(other.code).toBe(2);
  expect(other.stderr).toContain('notify has no entry "cat". Did you mean chat?');
});
