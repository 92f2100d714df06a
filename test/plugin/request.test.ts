import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { recordingLog } from "../../src/testing.ts";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { startProxy } from "../support/servers/proxy.ts";
import { Problem } from "../../src/plugin.ts";
import {
  explainRefusals,
  oneLine,
  Refusal,
  repeatRefused,
  requestJson,
  textOf,
} from "../../src/plugin/http.ts";
import type { RequestSettings, Vendor } from "../../src/plugin/http.ts";

const vendor: Vendor = {
  name: "Example",
  throttled: ["slowDown"],
  saidIn(body) {
    const code = textOf(body, "code");
    return { words: textOf(body, "message"), reasons: code === undefined ? [] : [code, code] };
  },
  waitIn: (headers, status) => (status === 429 && headers.has("x-reset") ? 90_000 : undefined),
};

let server: Server;
let url: string;
let asked: string[];
let answer: RequestListener;

beforeEach(async () => {
  asked = [];
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answer(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  url = `http://127.0.0.1:${port}/records`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** Each answer is a status, a body and headers; the last one goes on. */
function answering(...answers: [number, string, Record<string, string>?][]): void {
  answer = (_request, response) => {
    const [status, body, headers] = answers.length > 1 ? answers.shift()! : answers[0]!;
    response.writeHead(status, headers).end(body);
  };
}

function ask(settings: Partial<RequestSettings> = {}): Promise<unknown> {
  const { signal } = new AbortController();
  return requestJson({ url }, { vendor, signal, ...settings });
}

async function refusal(asking: Promise<unknown>): Promise<Refusal> {
  const error = await asking.catch((error: unknown) => error);
  if (!(error instanceof Refusal)) throw new TypeError(`no refusal: ${String(error)}`);
  return error;
}

describe("requestJson", () => {
  it("uses the proxy from the environment", async () => {
    answering([200, '{"id": 7}']);
    const port = Number(new URL(url).port);
    await using proxy = await startProxy(() => port);
    vi.stubEnv("HTTP_PROXY", proxy.url);
    url = "http://api.example/records";
    expect(await ask()).toEqual({ id: 7 });
    vi.unstubAllEnvs();
    expect(proxy.seen).toEqual([expect.stringContaining("api.example:80 Basic")]);
  });

  it("requestJson returns the JSON of a good answer, and null for an empty one", async () => {
    answering([200, '{"id": 7}'], [204, ""]);
    expect(await ask()).toEqual({ id: 7 });
    expect(await ask()).toBe(null);
  });

  it("requestJson reports the vendor's message on one line, with its error codes", async () => {
    answering([403, JSON.stringify({ code: "noAccess", message: "You\n\tmay\u001B[31m not" })]);
    const said = await refusal(ask());
    expect(said.message).toBe("You may [31m not (HTTP 403, noAccess)");
    expect([said.status, said.says("noAccess"), said.effort]).toEqual([403, true, ""]);
    expect(asked).toHaveLength(1);
  });

  it("rejects a web page as an answer, and does not follow a redirect", async () => {
    answering(
      [200, "<html>"],
      [500, "<html>", { "retry-after": "3600" }],
      [302, "", { location: "/elsewhere" }],
    );
    expect((await refusal(ask())).message).toBe("HTTP 200 (not JSON)");
    const broken = await refusal(ask());
    expect(broken.message).toBe("HTTP 500 (not an answer from Example)");
    expect(broken.retryAfter).toBe(3_600_000);
    expect((await refusal(ask())).status).toBe(302);
    expect(asked).toEqual(Array.from({ length: 3 }, () => "GET /records"));
  });

  it("repeats a request after Retry-After, and reports how often", async () => {
    const log = recordingLog();
    answering(
      [503, "", { "retry-after": "0" }],
      [400, '{"code": "slowDown"}', { "retry-after": "0" }],
      [200, "{}"],
    );
    expect(await ask({ log })).toEqual({});
    expect(log.entries.map(({ message }) => message)).toEqual([
      "Example: HTTP 503 (not an answer from Example); trying again in 0 s",
      "Example: HTTP 400 (not an answer from Example); trying again in 0 s",
    ]);
    answering([429, '{"message": "enough"}', { "retry-after": "0" }]);
    const said = await refusal(ask({ retries: 2 }));
    expect(said.throttled).toBe(true);
    expect(`${said.message}${said.effort}`).toMatch(
      /^enough \(HTTP 429\) after 3 attempts in \d s$/,
    );
  });

  it("requestJson leaves a long wait to the next run, whatever header asks for it", async () => {
    answering([429, "", { "x-reset": "1" }]);
    expect((await refusal(ask())).retryAfter).toBe(90_000);
    expect(asked).toHaveLength(1);
  });

  it("a request is lost without a connection, with a broken one, and without an answer in time", async () => {
    answer = (_request, response) => response.destroy();
    expect((await refusal(ask({ retries: 1 }))).effort).toMatch(/^ after 2 attempts/);
    answer = () => {};
    const late = await refusal(ask({ retries: 0, timeout: 50 }));
    expect([late.lost, late.status]).toEqual([true, undefined]);
    server.closeAllConnections();
    server.close();
    const refused = await refusal(ask({ retries: 0 }));
    expect([refused.lost, refused.message]).toEqual([true, expect.stringMatching("ECONNREFUSED")]);
  });

  it.each([
    ["asking", () => (answer = () => {})],
    ["waiting", () => answering([503, "", { "retry-after": "50" }])],
  ])("stops at once with the signal's reason while %s", async (_when, prepare) => {
    prepare();
    const stop = new AbortController();
    const asking = ask({ signal: stop.signal });
    await once(server, "request");
    setTimeout(() => stop.abort(new Error("enough")), 20);
    await expect(asking).rejects.toThrow("enough");
  });
});

describe("oneLine", () => {
  it("oneLine never cuts a word, because half of a secret could not be masked", () => {
    const secret = "s3cret".repeat(10);
    for (let before = 900; before <= 1_000; before += 1) {
      const said = oneLine(`${"x".repeat(before)}\n${secret} and more ${"y ".repeat(500)}`);
      expect(said.length).toBeLessThanOrEqual(1_002);
      expect(said.includes(secret) || !said.includes("s3cret")).toBe(true);
    }
    expect(oneLine("x".repeat(1_001))).toBe("…");
    expect(oneLine(" a\u0000\tb\n")).toBe("a b");
  });
});

describe("repeatRefused", () => {
  it("repeatRefused repeats work of several requests, and only after refusals", async () => {
    const { signal } = new AbortController();
    answering([500, "", { "retry-after": "0" }], [200, "1"], [200, "2"]);
    const both = async () => [await ask({ retries: 0 }), await ask({ retries: 0 })];
    expect(await repeatRefused(both, { vendor, signal })).toEqual([1, 2]);
    let calls = 0;
    const bug = () => Promise.reject(new RangeError(`bug ${(calls += 1)}`));
    await expect(repeatRefused(bug, { vendor, signal })).rejects.toThrow("bug 1");
  });
});

describe("explainRefusals", () => {
  const explaining = explainRefusals({
    vendor: "Example",
    identity: () => "as app 1",
    meanings: [
      {
        kind: "config",
        when: ({ status }) => status === 403,
        title: "No access",
        hint: ({ message }) => `Ask for it: ${message}`,
      },
    ],
  });
  const failing = async (thrown: unknown, signal = new AbortController().signal) => {
    const work = async () => {
      throw thrown;
    };
    try {
      return await explaining("read the zone", signal, work);
    } catch (error) {
      return error;
    }
  };

  it("makes a Problem of the first meaning that applies, else of what all providers share", async () => {
    const known = await failing(new Refusal({ words: "no", status: 403, retryAfter: 1_000 }));
    expect(known).toMatchObject({
      message: "Example: cannot read the zone as app 1: no",
      hint: "Ask for it: no",
      document: { title: "No access", status: 403, type: "urn:acmectl:problem:config" },
      retryAt: expect.any(Date),
    });
    expect(await failing(new Refusal({ words: "odd", status: 302 }))).toMatchObject({
      document: {
        type: "urn:acmectl:problem:network",
        title: "Unexpected response instead of Example's API",
      },
      hint: expect.stringContaining("captive portal"),
    });
    expect(
      await failing(new Refusal({ words: "slow", status: 403, throttled: true })),
    ).toMatchObject({
      document: { type: "urn:acmectl:problem:solver", title: "Example is rate limiting" },
    });
    expect(await failing(new Refusal({ words: "odd", status: 500 }))).toMatchObject({
      document: { type: "urn:acmectl:problem:solver", title: "Example failed" },
    });
  });

  it("explainRefusals passes on other errors, and the reason of an aborted signal first", async () => {
    const problem = new Problem("machine", { detail: "full" });
    expect(await failing(problem)).toBe(problem);
    const bug = new TypeError("bug");
    expect(await failing(bug)).toBe(bug);
    const reason = new Error("stopped");
    expect(await failing(new Refusal({ words: "no" }), AbortSignal.abort(reason))).toBe(reason);
  });
});
