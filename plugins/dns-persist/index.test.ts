import { expect, it } from "vitest";
import { challengeFor, solverContext } from "acmectl/testing";
import dnsPersist from "./index.ts";

it("writes nothing and needs nothing", async () => {
  const solver = await dnsPersist.create({}, solverContext());
  const { signal } = new AbortController();
  const challenge = challengeFor("dns-persist-01", "example.com");
  await expect(solver.present(challenge, { signal })).resolves.toBeNull();
  await expect(solver.cleanup(challenge, undefined, { signal })).resolves.toBeUndefined();
});
