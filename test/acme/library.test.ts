import { expect, onTestFinished, test, vi } from "vitest";
import { problemOf, registered, signal, world } from "./world.ts";

test("acme-client prints nothing and sends nothing by itself, even with DEBUG set", async () => {
  vi.stubEnv("DEBUG", "*");
  const written = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  onTestFinished(() => {
    written.mockRestore();
    vi.unstubAllEnvs();
  });
  const { ca, server } = await world();
  await registered(ca);
  expect(written.mock.calls).toEqual([]);
  const agents = server.requests.map(({ headers }) => headers["user-agent"]);
  expect(new Set(agents)).toEqual(new Set(["acmectl/9.9.9 (+https://example.com) node/v24"]));
});

test("a CA that rejects every nonce is asked a bounded number of times", async () => {
  const { ca, server } = await world({ badNonceRate: 1 });
  const problem = await problemOf(registered(ca));
  expect(problem.document.type).toBe("urn:ietf:params:acme:error:badNonce");
  expect(problem.hint).toContain("Try again later");
  const tries = server.requests.filter(({ kind }) => kind === "newAccount");
  expect(tries.length).toBe(31);
  expect(server.requests.filter(({ kind }) => kind === "newNonce")).toHaveLength(1);
});

test("a rejected nonce is replaced by a fresh one when the answer brings none", async () => {
  const { ca, server } = await world();
  const session = await registered(ca);
  server.faults.add({
    on: "account",
    do: {
      status: 400,
      problem: { type: "badNonce", detail: "no" },
      headers: { "replay-nonce": "not a nonce" },
    },
  });
  expect((await session.read(signal)).status).toBe("valid");
  expect(server.requests.filter(({ kind }) => kind === "newNonce")).toHaveLength(2);
});

test("no nonce is used twice, nor that of an answer which rejects another", async () => {
  const { ca, server } = await world({ badNonceRate: 0.5 });
  const session = await registered(ca);
  for (let read = 0; read < 20; read++) await session.read(signal);
  const used = server.requests.flatMap(({ protected: header }) => header?.["nonce"] ?? []);
  expect(used.length).toBeGreaterThan(21);
  expect(new Set(used).size).toBe(used.length);
});
