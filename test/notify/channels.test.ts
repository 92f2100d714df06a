import { readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Notification } from "../../src/plugin.ts";
import { systemClock } from "../../src/clock.ts";
import { loadConfig } from "../../src/config/file.ts";
import type { Context } from "../../src/context.ts";
import { send } from "../../src/notify/send.ts";
import { contextOf } from "../support/context.ts";
import { temporaryFolder } from "../support/state.ts";

interface Received {
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
  readonly json: unknown;
}

const received: Received[] = [];
let answer: { status: number; body: string } = { status: 204, body: "" };
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => (body += String(chunk)));
  request.on("end", () => {
    const { method = "", url = "", headers } = request;
    const json: unknown = body.startsWith("{") ? JSON.parse(body) : body;
    received.push({ line: `${method} ${url}`, headers, json });
    if (answer.status > 0) response.writeHead(answer.status).end(answer.body);
  });
});
let base: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  received.length = 0;
  answer = { status: 204, body: "" };
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const item = {
  certificate: "shop",
  names: ["shop.example.com"],
  event: "failure",
  recovered: false,
  title: "cannot be issued or renewed",
  detail: 'The CA said: "<no> & @everyone".',
  since: "2026-06-01T00:00:00.000Z",
  expiresAt: "2026-06-30T00:00:00.000Z",
} as const;
const problem: Notification = {
  kind: "problem",
  host: "web1",
  at: "2026-06-01T00:00:00.000Z",
  subject: "acmectl on web1: shop cannot be issued or renewed",
  text: `shop cannot be issued or renewed.\n  ${item.detail}`,
  items: [item],
};

/** Sends by an entry that is written as in the config; `BASE` is the server here. */
async function sendBy(yaml: string, notification = problem, given: Partial<Context> = {}) {
  await using folder = await temporaryFolder();
  const configPath = join(folder.path, "config.yaml");
  await writeFile(configPath, `notify:\n  it: ${yaml.replaceAll("BASE", base)}\n`);
  const { notify } = await loadConfig(configPath);
  const env = { PATH: process.env["PATH"], OUT: folder.path, ...given.env };
  const context = contextOf({ configPath, cwd: folder.path, clock: systemClock, ...given, env });
  await send(notify["it"] ?? {}, notification, context);
  const out = await readFile(join(folder.path, "out"), "utf8").catch(() => "");
  return { requests: [...received], out };
}

test("Slack gets a header and a section whose text is escaped", async () => {
  const { requests } = await sendBy("{ slack: BASE/services/T0/B0/x }");
  expect(requests.map(({ line }) => line)).toEqual(["POST /services/T0/B0/x"]);
  expect(requests[0]?.headers["content-type"]).toBe("application/json");
  expect(requests[0]?.json).toEqual({
    text: problem.subject,
    blocks: [
      { type: "header", text: { type: "plain_text", text: problem.subject } },
      {
        type: "section",
        text: {
          type: "mrkdwn",
          text: 'shop cannot be issued or renewed.\n  The CA said: "&lt;no&gt; &amp; @everyone".',
        },
      },
    ],
  });
});

test("Teams gets an adaptive card, as the webhook of a workflow takes it", async () => {
  const { requests } = await sendBy("{ teams: BASE/workflows/x }");
  expect(requests[0]?.json).toMatchObject({
    type: "message",
    attachments: [
      {
        contentType: "application/vnd.microsoft.card.adaptive",
        contentUrl: null,
        content: {
          type: "AdaptiveCard",
          version: "1.4",
          body: [
            { type: "TextBlock", text: problem.subject, color: "Attention", wrap: true },
            { type: "TextBlock", text: problem.text.replace("\n", "\n\n"), wrap: true },
          ],
        },
      },
    ],
  });
});

test("Discord gets an embed that mentions nobody", async () => {
  const { requests } = await sendBy("{ discord: BASE/api/webhooks/1/x }");
  expect(requests[0]?.json).toEqual({
    embeds: [
      { title: problem.subject, description: problem.text, color: 0xd9363e, timestamp: problem.at },
    ],
    allowed_mentions: { parse: [] },
  });
});

test("ntfy gets the topic as JSON at the address of the server, with the token", async () => {
  const { requests } = await sendBy(
    '{ ntfy: { url: BASE/base/alerts, token: "env:NTFY" } }',
    problem,
    {
      env: { NTFY: "tk_1" },
    },
  );
  expect(requests[0]).toMatchObject({
    line: "POST /base/",
    headers: { authorization: "Bearer tk_1" },
    json: { topic: "alerts", title: problem.subject, message: problem.text, priority: 4 },
  });
});

test("Matrix gets a message with a transaction id of its own each time", async () => {
  const yaml = '{ matrix: { server: BASE, room: "!abc:example.org", token: syt_1234 } }';
  await sendBy(yaml);
  const { requests } = await sendBy(yaml);
  const lines = requests.map(({ line }) => line);
  expect(new Set(lines).size).toBe(2);
  for (const line of lines)
    expect(line).toMatch(
      /^PUT \/_matrix\/client\/v3\/rooms\/!abc%3Aexample.org\/send\/m\.room\.message\/[\w-]+$/,
    );
  expect(requests[0]).toMatchObject({
    headers: { authorization: "Bearer syt_1234" },
    json: {
      msgtype: "m.text",
      format: "org.matrix.custom.html",
      formatted_body: expect.stringContaining("&lt;no&gt; &amp; @everyone"),
    },
  });
});

test("PagerDuty gets an alert for each event, which the recovery resolves by the same key", async () => {
  const yaml = "{ pagerduty: { key: R0ABC, url: BASE/v2/enqueue } }";
  const recovered = { ...item, recovered: true };
  const { requests } = await sendBy(yaml, {
    ...problem,
    items: [item, { ...recovered, event: "deploy" }],
  });
  expect(requests.map(({ json }) => json)).toEqual([
    {
      routing_key: "R0ABC",
      event_action: "trigger",
      dedup_key: "acmectl/web1/shop/failure",
      client: "acmectl",
      payload: {
        summary: `shop cannot be issued or renewed: ${item.detail}`,
        source: "web1",
        severity: "error",
        timestamp: problem.at,
        component: "shop",
        class: "failure",
        custom_details: { names: item.names, detail: item.detail, expiresAt: item.expiresAt },
      },
    },
    { routing_key: "R0ABC", event_action: "resolve", dedup_key: "acmectl/web1/shop/deploy" },
  ]);
});

test("a webhook gets the notification as JSON, or a template with its texts", async () => {
  const headers = "headers: { Authorization: 'env:AUTH' }";
  await sendBy(`{ webhook: { url: BASE/plain, method: PUT, ${headers} } }`, problem, {
    env: { AUTH: "Basic b3Bz" },
  });
  await sendBy(`{ webhook: { url: BASE/json, body: '{"t": "{{text}}", "k": "{{ kind }}"}' } }`);
  const { requests } = await sendBy(
    "{ webhook: { url: BASE/text, body: '{{subject}} {{other}}' } }",
  );
  const [plain, json, text] = requests;
  expect(plain).toMatchObject({ line: "PUT /plain", headers: { authorization: "Basic b3Bz" } });
  expect(plain?.json).toEqual(problem);
  expect(json?.json).toEqual({ t: problem.text, k: "problem" });
  expect(text?.json).toBe(`${problem.subject} {{other}}`);
  expect(text?.headers["content-type"]).toBe("text/plain");
});

test("a command gets the notification as its input and in variables, and the secrets that it asks for", async () => {
  const yaml = `{ run: 'cat > $OUT/out; echo "$ACMECTL_NOTIFY_SUBJECT:$CHAT_TOKEN" >> $OUT/out', shell: true, passEnv: [CHAT_TOKEN] }`;
  const { out } = await sendBy(yaml, problem, { env: { CHAT_TOKEN: "t0ken" } });
  const [json = "", line] = out.split("\n");
  expect(JSON.parse(json)).toEqual(problem);
  expect(line).toBe(`${problem.subject}:t0ken`);
  await expect(sendBy("{ run: [sh, -c, echo oops; exit 3] }")).rejects.toThrow(
    /The command `sh -c echo oops; exit 3` failed with exit code 3. It printed last:\noops/,
  );
});

test("a notifier of one's own is the default export of a module", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "mine.mjs");
  await writeFile(
    file,
    `import { writeFile } from "node:fs/promises";
     export default async (notification, { options }) => {
       if (options.token !== "t0ken") throw new Error("no token");
       await writeFile(options.out, notification.subject);
     };`,
  );
  const out = join(folder.path, "said");
  const yaml = `{ plugin: { file: ${file}, options: { out: ${out}, token: "env:MINE" } } }`;
  await sendBy(yaml, problem, { env: { MINE: "t0ken" } });
  expect(await readFile(out, "utf8")).toBe(problem.subject);
  await expect(sendBy(yaml, problem, { env: { MINE: "other" } })).rejects.toThrow("no token");
  await writeFile(join(folder.path, "empty.mjs"), "export default 1;");
  await expect(sendBy(`{ plugin: ${join(folder.path, "empty.mjs")} }`)).rejects.toThrow(
    "has no function as its default export",
  );
  await expect(sendBy("{ plugin: /none/mine.mjs }")).rejects.toThrow(
    "The notifier file /none/mine.mjs cannot be read",
  );
});

test.each([
  [
    "{ slack: BASE/secret-path }",
    { status: 403, body: "invalid_token" },
    "Slack answered with HTTP 403: invalid_token",
  ],
  [
    "{ teams: BASE/secret-path }",
    { status: 302, body: "" },
    "Microsoft Teams answered with HTTP 302.",
  ],
  ["{ discord: BASE/secret-path }", { status: 503, body: "" }, "Discord answered with HTTP 503."],
  ["{ ntfy: BASE/secret-path, timeout: 1s }", { status: 0, body: "" }, "not accepted within 1 s"],
  [
    "{ slack: 'http://127.0.0.1:1/secret-path' }",
    { status: 0, body: "" },
    "Slack cannot be reached at 127.0.0.1:1",
  ],
  [
    "{ slack: 'ftp://example.com/secret-path' }",
    { status: 0, body: "" },
    "not an http or https address",
  ],
  ["{ slack: 'env:NONE' }", { status: 0, body: "" }, "slack.url (env:NONE) cannot be read"],
])("%s fails with a message that does not show the address", async (yaml, given, message) => {
  answer = given;
  const failed = await sendBy(yaml).catch((error: unknown) => String(error));
  expect(failed).toContain(message);
  expect(failed).not.toContain("secret-path");
});
