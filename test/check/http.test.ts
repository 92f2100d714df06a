import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { once } from "node:events";
import { createServer as createTcpServer, type AddressInfo, type Server } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { fetchAt, type FetchTools } from "../../src/check/fetch.ts";
import { judge } from "../../src/check/http.ts";
import { makeTls } from "../support/servers/tls.ts";
import { temporaryFolder } from "../support/state.ts";

const { signal } = new AbortController();
const start = new URL("http://shop.example.test/.well-known/acme-challenge/token");
const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

async function listen(server: Server, host = "127.0.0.1", port = 0): Promise<number> {
  server.listen(port, host);
  await once(server, "listening");
  open.push(server);
  return (server.address() as AddressInfo).port;
}

const toolsFor = (ports: FetchTools["ports"], addresses: readonly string[] = []): FetchTools => ({
  addresses: async () => addresses,
  ports,
  signal,
});

const answer: RequestListener = (request, response) =>
  void response.setHeader("server", "apache").end(`${request.headers.host}${request.url}`);

describe("a GET as a CA does it", () => {
  test("follows redirects to https without verifying the certificate, and to another host", async () => {
    await using folder = await temporaryFolder();
    const { key, cert } = await keyPair(folder.path);
    const https = await listen(createTlsServer({ key, cert }, answer));
    const http = await listen(
      createServer((_, response) => {
        response.writeHead(301, { location: "https://www.example.test/x?y" }).end();
      }),
    );
    const tools = toolsFor({ http, https }, ["127.0.0.1"]);
    expect(await fetchAt("127.0.0.1", start, tools)).toEqual({
      kind: "answer",
      status: 200,
      by: "apache",
      body: "www.example.test/x?y",
    });
  });

  test("does not accept a redirect to a port without TLS", async () => {
    const https = await listen(createServer(answer));
    const http = await listen(
      createServer((_, response) => {
        response.writeHead(302, { location: "https://shop.example.test/" }).end();
      }),
    );
    const sight = await fetchAt("127.0.0.1", start, toolsFor({ http, https }));
    expect(sight).toMatchObject({
      kind: "refused",
      text: expect.stringMatching(/no TLS at https:\/\/shop/),
    });
  });

  test("cannot tell what a host sees that is not reached from here", async () => {
    const port = await listen(createTcpServer());
    for (const server of open.splice(0)) server.close();
    const sight = await fetchAt("127.0.0.1", start, toolsFor({ http: port, https: port }));
    expect(sight).toEqual({ kind: "unreachable", text: "connection refused", hasRoute: true });
  });
});

describe("what the addresses of one name show", () => {
  const challenge = {
    type: "http-01",
    identifier: { type: "dns", value: "shop.example.test" },
    wildcard: false,
    token: "token",
    keyAuthorization: "token.thumbprint",
    path: start.pathname,
    body: "token.thumbprint",
  } as const;
  const right = {
    address: "192.0.2.1",
    sight: { kind: "answer", status: 200, body: "token.thumbprint\n", by: "" },
  } as const;
  const dead = (hasRoute: boolean) => ({
    address: "2001:db8::1",
    sight: { kind: "unreachable", text: "connection refused", hasRoute } as const,
  });

  test("IPv6 that is dead while IPv4 serves the response is a fault", () => {
    expect(judge([right, dead(true)], challenge)).toEqual([
      expect.objectContaining({
        severity: "error",
        detail: expect.stringMatching(/2001:db8::1 cannot be reached .* CAs try IPv6 first/),
      }),
    ]);
  });

  test("IPv6 to which this machine has no route is not known, and not fine", () => {
    expect(judge([right, dead(false)], challenge)).toEqual([
      expect.objectContaining({ severity: "unknown", detail: expect.stringContaining("IPv6") }),
    ]);
  });

  test("the response at every address is nothing to report", () => {
    expect(judge([right], challenge)).toEqual([]);
  });
});

async function keyPair(folder: string) {
  const { readFile } = await import("node:fs/promises");
  const { certificateFile, keyFile } = await makeTls(folder);
  return { cert: await readFile(certificateFile), key: await readFile(keyFile) };
}
