import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { startIssuing } from "../support/issuing.ts";
import { startProxy } from "../support/servers/proxy.ts";
import { acmectl } from "../support/spawn.ts";

const credentials = `Basic ${Buffer.from("me:secret").toString("base64")}`;

test("the program issues a certificate through the proxy that https_proxy names", async () => {
  // Its URLs name the host, because no proxy is used for localhost.
  await using issuing = await startIssuing({ host: "0.0.0.0" });
  const { host, port } = new URL(issuing.ca.directoryUrl);
  await using proxy = await startProxy(() => Number(port));
  const solver = ["--solver", "standalone", "--standalone-port", String(issuing.httpPort)];
  const place = ["--self-check-at", `127.0.0.1:${issuing.httpPort}`];
  const ran = await acmectl(
    ["issue", "-d", "a.example.test", ...solver, ...issuing.words, ...place],
    { env: { HOME: issuing.state, https_proxy: proxy.url } },
  ).ended;
  expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining("Issued") });
  expect(new Set(proxy.seen)).toEqual(new Set([`${host} ${credentials}`]));
});

test("the webhook solver calls its service through the proxy that http_proxy names", async () => {
  await using issuing = await startIssuing();
  let calls = 0;
  const service = createServer((_, response) => {
    calls += 1;
    response.writeHead(403).end();
  });
  await once(service.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void service.close());
  await using proxy = await startProxy(() => (service.address() as AddressInfo).port);
  const solver = ["--solver", "webhook", "--webhook-url", "http://hooks.example.test/"];
  const env = { HOME: issuing.state, http_proxy: proxy.url, ACMECTL_DNS_CNAME: "none" };
  const ran = await acmectl(["issue", "-d", "a.example.test", ...solver, ...issuing.words], { env })
    .ended;
  expect(ran.stderr).toContain("403");
  expect(new Set(proxy.seen)).toEqual(new Set([`hooks.example.test:80 ${credentials}`]));
  expect(calls).toBeGreaterThan(0);
});
