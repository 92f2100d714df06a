import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startTestCa, type TestCa } from "../../src/test-ca/test-ca.ts";
import { crowd } from "../support/crowd.ts";
import { issue, webServer } from "./loopback.ts";
import { rawClient, type RawClient } from "./raw-client.ts";

let ca: TestCa;
let client: RawClient;
let web: Awaited<ReturnType<typeof webServer>>;
beforeEach(async () => {
  web = await webServer();
  ca = await startTestCa({ httpPort: web.port });
  client = rawClient(ca);
  await client.register();
});
afterEach(async () => {
  await ca.close();
  await web.close();
});

const urn = (type: string): string => `urn:ietf:params:acme:error:${type}`;
const orders = async () => (await client.post(`${client.kid}/orders`, "")).body.orders;

test("a crowd of stalled connections does not keep the CA from issuing, and cannot delay its end", async () => {
  const { port } = new URL(ca.directoryUrl);
  const hostile = await crowd(Number(port), 600);
  await expect.poll(hostile.closed).toBeGreaterThan(50);
  const { order } = await issue(client, web, ["example.com"]);
  expect(order.status).toBe("valid");
  hostile.leave();
});

describe("a fault", () => {
  test("a fault answers with a problem and Retry-After in place of the resource, as often as it says", async () => {
    const fault = ca.faults.add({
      on: "newOrder",
      nth: 2,
      times: 2,
      do: { problem: { type: "rateLimited", detail: "too many" }, retryAfter: 120 },
    });
    const replies = [];
    for (let count = 0; count < 4; count += 1) replies.push(await client.order(["example.com"]));
    expect(replies.map(({ status }) => status)).toEqual([201, 429, 429, 201]);
    expect(replies[1]?.body).toMatchObject({ type: urn("rateLimited"), detail: "too many" });
    expect(replies[1]?.headers).toMatchObject({
      "retry-after": "120",
      "content-type": "application/problem+json",
    });
    expect(replies[1]?.headers["replay-nonce"]).toBeDefined();
    expect(fault.struck).toBe(2);
    expect(await orders()).toHaveLength(2);
  });

  test("a request has no effect with a fault before it; with a fault after it, only the answer is lost", async () => {
    ca.faults.add({ on: "newOrder", do: { destroy: true } });
    await expect(client.order(["example.com"])).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(await orders()).toHaveLength(0);
    ca.faults.add({ on: /^\/new-order$/, phase: "after", do: { destroy: true } });
    await expect(client.order(["example.com"])).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(await orders()).toHaveLength(1);
    ca.faults.add({ on: "newOrder", phase: "after", do: { status: 503, body: "<html>" } });
    const reply = await client.order(["example.com"]);
    expect([reply.status, reply.text]).toEqual([503, "<html>"]);
    expect(await orders()).toHaveLength(2);
    expect(
      ca.requests.filter(({ kind }) => kind === "newOrder").map(({ status }) => status),
    ).toEqual([undefined, undefined, 503]);
  });

  test("a fault changes JSON, certificates, headers and content types", async () => {
    ca.faults.add({
      on: "newOrder",
      do: {
        mutate: (json) => ({ ...json, identifiers: [{ type: "dns", value: "evil.example" }] }),
      },
    });
    const order = await client.order(["example.com"]);
    expect([order.status, order.body.identifiers[0]?.value]).toEqual([201, "evil.example"]);
    ca.faults.add({ on: "certificate", do: { pem: (pem) => `# a comment\n${pem}` } });
    const { chain } = await issue(client, web, ["example.com"]);
    expect(chain.text).toMatch(/^# a comment\n-----BEGIN/);
    ca.faults.add({
      on: "directory",
      do: { contentType: "text/html", headers: { "cache-control": undefined, "x-served": "by" } },
    });
    const { headers } = await client.get(ca.directoryUrl);
    expect(headers).toMatchObject({ "content-type": "text/html", "x-served": "by" });
    expect(headers["cache-control"]).toBeUndefined();
    ca.faults.add({
      on: "newNonce",
      do: { headers: { "replay-nonce": undefined, link: undefined } },
    });
    const nonce = await client.get(`${client.base}/new-nonce`);
    expect(nonce.headers).not.toHaveProperty("replay-nonce");
    expect(nonce.headers).not.toHaveProperty("link");
  });

  test("a fault cuts a body short, or sends it slowly", async () => {
    ca.faults.add({ on: "directory", do: { truncate: 10 } });
    await expect(client.get(ca.directoryUrl)).rejects.toMatchObject({ code: "ECONNRESET" });
    ca.faults.add({ on: "directory", do: { slowBody: 0 } });
    expect((await client.get(ca.directoryUrl)).body.newNonce).toBeDefined();
  });

  test("a fault waits and calls a hook with the request, before it is processed or after", async () => {
    const seen: unknown[] = [];
    const look = async () => void seen.push(ca.requests.at(-1)?.kind);
    ca.faults.add({
      on: ({ payload }) => JSON.stringify(payload ?? "").includes("example.org"),
      do: {
        delay: 1,
        call: async (request) => {
          await look();
          seen.push(request.payload);
        },
      },
    });
    await client.order(["example.com"]);
    expect((await client.order(["example.org"])).status).toBe(201);
    expect(seen).toEqual(["newOrder", { identifiers: [{ type: "dns", value: "example.org" }] }]);
  });

  test("the fault that was added first applies; removed and cleared faults do nothing", async () => {
    const first = ca.faults.add({ on: "*", times: Infinity, do: { status: 500 } });
    const second = ca.faults.add({ on: "directory", times: Infinity, do: { status: 502 } });
    expect((await client.get(ca.directoryUrl)).status).toBe(500);
    first.remove();
    expect((await client.get(ca.directoryUrl)).status).toBe(502);
    ca.faults.clear();
    expect((await client.get(ca.directoryUrl)).status).toBe(200);
    expect([first.struck, second.struck]).toEqual([1, 1]);
  });
});

test("close ends idle and waiting connections at once", async () => {
  const slow = await startTestCa();
  slow.faults.add({ on: "directory", do: { delay: 60_000 } });
  const waiting = rawClient(slow).get(slow.directoryUrl);
  const failed = expect(waiting).rejects.toMatchObject({ code: "ECONNRESET" });
  await expect.poll(() => slow.requests.length, { timeout: 10_000 }).toBe(1);
  await Promise.race([slow.close(), sleep(5000).then(() => Promise.reject(new Error("too slow")))]);
  await failed;
});
