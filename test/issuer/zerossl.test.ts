import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test } from "vitest";
import { openAccount } from "../../src/account/open.ts";
import { resolveServer } from "../../src/acme/presets.ts";
import { macAlgorithms } from "../../src/certificate.ts";
import { fetchBinding, type Owner } from "../../src/issuer/zerossl.ts";
import { unmetDemands } from "../../src/request/demands.ts";
import { recordingLog } from "../../src/testing.ts";
import { problemOf, requestFor, world } from "../issue/world.ts";

const apiKey = "0123456789abcdef0123456789abcdef";

/** Why ZeroSSL refuses: POST alone, an email address in a form, or a known API key in the query. */
async function fault(request: IncomingMessage) {
  const url = new URL(request.url ?? "", "http://localhost");
  const body = await text(request);
  if (request.method !== "POST") return { code: 102, type: "invalid_request_method" };
  if (!url.pathname.endsWith("-email")) {
    const isKnown = url.searchParams.get("access_key") === apiKey;
    return isKnown ? undefined : { code: 101, type: "invalid_access_key" };
  }
  const isForm = request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded");
  const email = isForm === true ? (new URLSearchParams(body).get("email") ?? "") : "";
  const isAddress = /^[^@\s]+@[^@\s]+\.[a-z]+$/.test(email);
  return isAddress ? undefined : { code: 2900, type: "invalid_email" };
}

/** ZeroSSL's API: refusals have status 200, and every pair is new. */
async function zerossl() {
  const given: Record<string, string> = {};
  const server = createServer((request, response) => {
    const answered = async () => {
      const error = await fault(request);
      const pair = { eab_kid: randomBytes(16).toString("base64url"), eab_hmac_key: "" };
      if (error === undefined) {
        pair.eab_hmac_key = randomBytes(64).toString("base64url");
        given[pair.eab_kid] = pair.eab_hmac_key;
      }
      const answer = error === undefined ? { success: true, ...pair } : { success: false, error };
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(answer));
    };
    void answered();
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const masked: string[] = [];
  const tools = {
    log: recordingLog(),
    signal: new AbortController().signal,
    mask: (secret: string) => void masked.push(secret),
  };
  const api = `http://127.0.0.1:${port}/acme/eab-credentials`;
  return { given, masked, fetch: (owner: Owner) => fetchBinding(owner, tools, api) };
}

describe("an external account binding of ZeroSSL", () => {
  test.each([[{ email: "ops@example.com" }], [{ apiKey }]])(
    "an account is registered with a binding for %j, which is got once",
    async (owner) => {
      const website = await zerossl();
      const it = await world({ eab: website.given, requireEab: true });
      const issuer = { server: it.server.directoryUrl, agreeTos: true, email: "ops@example.com" };
      const tools = { ...it.again(), fetchEab: () => website.fetch(owner) };
      expect((await openAccount(issuer, tools)).created).toBe(true);
      expect((await openAccount(issuer, tools)).created).toBe(false);
      expect(Object.keys(website.given)).toHaveLength(1);
      expect(website.masked).toEqual(Object.values(website.given));
    },
  );

  test("a refusal is reported with ZeroSSL's reason and without the key", async () => {
    const { fetch } = await zerossl();
    const wrong = await problemOf(fetch({ apiKey: "secret-and-wrong" }));
    expect(wrong.message).toContain("invalid_access_key, 101");
    expect(JSON.stringify([wrong.document, wrong.hint])).not.toContain("secret-and-wrong");
    const mail = await problemOf(fetch({ email: "nobody" }));
    expect([mail.exitCode, mail.message]).toEqual([5, expect.stringContaining("invalid_email")]);
  });

  test("a request to ZeroSSL needs no binding of its own if one can be got", () => {
    const server = resolveServer("zerossl");
    const request = requestFor(["a.example.com"], { issuer: { server, agreeTos: true } });
    expect(unmetDemands(request, { isRegistered: false, hasBinding: true })).toEqual([]);
  });
});

test.each(macAlgorithms)("an external account binding may be signed with %s", async (algorithm) => {
  const hmacKey = randomBytes(64).toString("base64url");
  const it = await world({ eab: { "kid-1": hmacKey }, requireEab: true });
  const issuer = { server: it.server.directoryUrl, agreeTos: true };
  const tools = { ...it.again(), eab: { kid: "kid-1", hmacKey, algorithm } };
  expect((await openAccount(issuer, tools)).stored.url).toMatch(/^https:/);
});
