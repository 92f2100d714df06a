import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { Order } from "../../src/acme/acme.ts";
import { openRecord, saveFailure } from "../../src/issue/record.ts";
import { combined, Problem } from "../../src/problem.ts";
import type { StoredCertificate } from "../../src/state/store.ts";
import { startIssuing, type Issuing } from "../support/issuing.ts";
import { temporaryFolder } from "../support/state.ts";
import { requestFor, toolsOf, unexpected } from "./world.ts";

async function lastAttempt({ state }: Issuing, name: string) {
  const file = join(state, "certificates", name, "certificate.json");
  const { status } = JSON.parse(await readFile(file, "utf8")) as StoredCertificate;
  return status.lastAttempt;
}

test("an attempt remembers order, authorizations, challenges, solvers, and what was seen where", async () => {
  await using issuing = await startIssuing();
  expect((await issuing.issue(["-d", "a.example.test,b.example.test"])).code).toBe(0);
  const attempt = await lastAttempt(issuing, "a.example.test");
  expect(attempt?.orderUrl).toMatch(/\/order\//);
  expect(attempt?.authorizations).toHaveLength(2);
  for (const [index, identifier] of ["a.example.test", "b.example.test"].entries()) {
    expect(attempt?.authorizations?.[index]).toMatchObject({
      identifier,
      url: expect.stringContaining("/authz/"),
      status: "valid",
      challenges: [
        {
          type: "http-01",
          solver: "standalone",
          place: expect.stringMatching(`^http://${identifier}/.well-known/acme-challenge/`),
          status: "valid",
          looks: [{ server: `127.0.0.1:${issuing.httpPort}`, saw: expect.any(String) }],
        },
      ],
    });
  }
  expect((await issuing.issue(["-d", "a.example.test", "--name", "again"])).code).toBe(0);
  expect((await lastAttempt(issuing, "again"))?.authorizations).toMatchObject([
    { identifier: "a.example.test", status: "valid", challenges: [] },
  ]);
});

test("a failed attempt keeps the CA's words at the challenge that they are about", async () => {
  await using issuing = await startIssuing();
  const webroot = join(issuing.state, "..");
  const ran = await issuing.issue(["-d", "a.example.test", "--no-self-check"], {
    solver: ["--webroot", webroot],
  });
  expect(ran.code).toBe(7);
  const attempt = await lastAttempt(issuing, "a.example.test");
  expect(attempt?.orderUrl).toMatch(/\/order\//);
  expect(attempt?.authorizations).toMatchObject([
    {
      identifier: "a.example.test",
      status: "invalid",
      challenges: [
        {
          solver: "webroot",
          status: "invalid",
          looks: [],
          problem: {
            type: "urn:ietf:params:acme:error:connection",
            detail: expect.any(String),
            hint: expect.stringContaining("port 80"),
          },
        },
      ],
    },
  ]);
});

test("a response that is not where the CA will look is remembered as a failure of ours", async () => {
  await using issuing = await startIssuing();
  const { createServer } = await import("node:http");
  const server = createServer((_, response) => response.writeHead(404).end("no"));
  await new Promise<void>((resolve) => server.listen(issuing.httpPort, "127.0.0.1", resolve));
  const ran = await issuing.issue(["-d", "a.example.test"], {
    solver: ["--webroot", join(issuing.state, "..")],
  });
  await new Promise((resolve) => server.close(resolve));
  expect(ran.code).toBe(7);
  expect((await lastAttempt(issuing, "a.example.test"))?.authorizations).toMatchObject([
    {
      status: "pending",
      challenges: [
        {
          status: "failed",
          looks: [{ server: `127.0.0.1:${issuing.httpPort}`, saw: expect.stringContaining("404") }],
          problem: { title: "The http-01 response is not served" },
        },
      ],
    },
  ]);
});

test("a secret that a solver's script has printed is not kept", async () => {
  await using issuing = await startIssuing();
  await using folder = await temporaryFolder();
  const secret = "correct-horse-battery-staple";
  const script = join(folder.path, "hook.sh");
  await writeFile(script, '#!/bin/sh\necho "token is $MY_TOKEN"\nexit 1\n', { mode: 0o755 });
  vi.stubEnv("MY_TOKEN", secret);
  const ran = await issuing.issue(["-d", "s.example.test", "--dns-cname", "none"], {
    solver: ["--solver", "exec", "--exec-command", script],
  });
  vi.unstubAllEnvs();
  expect(ran.code).toBe(7);
  expect(ran.stderr).toContain("token is ***");
  const kept = await readFile(
    join(issuing.state, "certificates", "s.example.test", "certificate.json"),
    "utf8",
  );
  expect(kept).toContain("token is ***");
  expect(kept).not.toContain(secret);
});

const never = [2, 3, 8, 9, 129, 130, 143] as const;

test.each(never)(
  "a failure with exit code %i, which the CA had no part in, does not count for the back-off",
  async (exitCode) => {
    const tools = await toolsOf();
    const request = requestFor(["a.example.test"]);
    await tools.store.certificates.saveRequest(request);
    await saveFailure(request, new Problem("solver", { detail: "no", exitCode }), tools);
    const status = (await tools.store.certificates.read(request.name))?.status;
    expect(status).toMatchObject({ failures: 0, lastAttempt: { outcome: "failed" } });
    expect(status?.retryAt).toBeUndefined();
  },
);

test("a failure that the CA had a part in counts for the back-off", async () => {
  const tools = await toolsOf();
  const request = requestFor(["a.example.test"]);
  await tools.store.certificates.saveRequest(request);
  await saveFailure(request, new Problem("network", { detail: "no" }), tools);
  expect((await tools.store.certificates.read(request.name))?.status).toMatchObject({
    failures: 1,
    retryReason: "backoff",
    retryAt: new Date(tools.record.startedAt.getTime() + 60_000).toISOString(),
  });
});

const urn = "urn:ietf:params:acme:error:";
const stop = new Problem("interrupted", { detail: "SIGHUP", exitCode: 129 });

async function reasonAfter(...failures: readonly { error: Problem; order?: string }[]) {
  const tools = await toolsOf();
  const request = requestFor(["a.example.test"]);
  await tools.store.certificates.saveRequest(request);
  for (const { error, order } of failures) {
    const record = openRecord(tools.clock.now(), tools);
    if (order !== undefined) record.order(unexpected<Order>("order", { url: order }));
    await saveFailure(request, error, { ...tools, record });
  }
  return (await tools.store.certificates.read(request.name))?.status.retryReason;
}

test("a refusal for good does not outlive an interrupted attempt that got its order", async () => {
  const refused = new Problem(`${urn}rejectedIdentifier`, { detail: "no" });
  expect(await reasonAfter({ error: refused })).toBe("permanent");
  expect(await reasonAfter({ error: refused }, { error: stop })).toBe("permanent");
  const order = "https://ca.example/order/1";
  expect(await reasonAfter({ error: refused }, { error: stop, order })).toBe("backoff");
});

test("new terms of service back off and do not stop renewals for good", async () => {
  const error = new Problem(`${urn}userActionRequired`, { detail: "new terms" });
  expect(await reasonAfter({ error })).toBe("backoff");
});

test("a CAA refusal of a challenge is for good, also among several names", async () => {
  const caa = () => new Problem("validation", { detail: "CAA", retryable: false });
  expect(await reasonAfter({ error: caa() })).toBe("permanent");
  const both = combined([caa(), caa()], "validation");
  if (!Problem.is(both)) throw both;
  expect(await reasonAfter({ error: both })).toBe("permanent");
});
