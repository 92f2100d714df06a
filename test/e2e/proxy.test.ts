import { expect, test } from "vitest";
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
