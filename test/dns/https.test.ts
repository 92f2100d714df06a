import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:https";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent } from "undici";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { openDns } from "../../src/dns/dns.ts";
import { startDnsServer, testZone, type DnsServer } from "../support/dns-server.ts";
import { startProxy } from "../support/servers/proxy.ts";
import { makeTls } from "../support/servers/tls.ts";

const { signal } = new AbortController();
const seen: { method: string | undefined; type: string | undefined; id: number }[] = [];
let folder: string;
let web: Server;
let dns: DnsServer;
let agent: Agent;
let base: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "doh-"));
  const tls = await makeTls(folder);
  const records = [{ name: "www.example.test", type: "A", data: "192.0.2.9" } as const];
  dns = await startDnsServer({ zones: [testZone("example.test", [], records)], recursive: true });
  web = createServer({ cert: tls.certificatePem, key: tls.keyPem }, (request, response) => {
    void serve(request, response);
  });
  await once(web.listen(0, "127.0.0.1"), "listening");
  const at = web.address();
  base = `https://127.0.0.1:${typeof at === "object" ? at?.port : 0}`;
  agent = new Agent({ connect: { ca: tls.rootPem } });
});

afterAll(async () => {
  await agent.destroy();
  web.closeAllConnections();
  web.close();
  await dns.close();
  await rm(folder, { recursive: true });
});

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const query = Buffer.concat(chunks);
  seen.push({
    method: request.method,
    type: request.headers["content-type"],
    id: query.readUInt16BE(0),
  });
  if (request.url === "/moved") return void response.writeHead(307, { location: "/" }).end();
  if (request.url === "/broken") return void response.writeHead(502).end();
  if (request.url === "/huge") return void response.end(Buffer.alloc(200_000));
  if (request.url === "/junk") return void response.end("<html>log in to this network</html>");
  if (request.url === "/mute") return;
  response.setHeader("content-type", "application/dns-message");
  response.end(await dns.answer(query, "https"));
}

const over = (path: string) =>
  openDns({
    resolvers: [base + path],
    authoritative: false,
    authoritativePort: 53,
    recursive: true,
    // Only the mute server is waited for in vain.
    queryTimeout: path === "/mute" ? 300 : 20_000,
    fetch: (url, init) => fetch(url, Object.assign({}, init, { dispatcher: agent })),
  });

describe("DNS over HTTPS", () => {
  test("posts the question with id 0 and reads the answer", async () => {
    expect(await over("/dns-query").addresses("www.example.test", signal)).toEqual(["192.0.2.9"]);
    expect(seen[0]).toEqual({ method: "POST", type: "application/dns-message", id: 0 });
  });

  test("uses the proxy from the environment", async () => {
    await using proxy = await startProxy(undefined);
    vi.stubEnv("HTTPS_PROXY", proxy.url);
    const settings = { authoritative: false, authoritativePort: 53, recursive: true };
    const resolvers = ["https://dns.example/dns-query"];
    const asking = openDns({ ...settings, resolvers, queryTimeout: 3_000 });
    await expect(asking.addresses("www.example.test", signal)).rejects.toThrow("dns.example");
    vi.unstubAllEnvs();
    expect(proxy.seen[0]).toMatch(/^dns\.example:443 Basic /);
  });

  test.each([
    ["/moved", /redirect/],
    ["/broken", /HTTP status 502/],
    ["/huge", /too large/],
    ["/junk", /another question/],
    ["/mute", /timeout/],
  ])("%s is a network Problem that says why", async (path, why) => {
    const failure = over(path).addresses("www.example.test", signal);
    await expect(failure).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringMatching(why),
    });
    await expect(failure).rejects.toThrow(base);
  });
});
