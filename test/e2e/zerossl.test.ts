import { expect, test } from "vitest";
import { startZeroSsl } from "../support/fakes/zerossl.ts";
import { acmectl } from "../support/spawn.ts";

test("ZeroSSL registers an account by email or API key, its refusal is shown, and a binding of the user's comes first", async () => {
  await using zerossl = await startZeroSsl();
  const { issuing, env, bindings, asked } = zerossl;
  const line = "account register --server zerossl --agree-tos".split(" ");
  const register = (folder: string, words: readonly string[], more = {}) => {
    const state = ["--state", `${issuing.state}-${folder}`];
    return acmectl([...line, ...state, ...words], { env: { ...env, ...more } }).ended;
  };
  const email = ["-m", "ops@example.com"];
  const byEmail = await register("a", email);
  expect(byEmail.code, byEmail.stderr).toBe(0);
  expect(asked).toContain("POST api.zerossl.com/acme/eab-credentials-email");
  expect((await register("a", email)).code).toBe(0);
  expect(Object.keys(bindings)).toHaveLength(1);

  const byKey = await register("b", ["-v"], { ZEROSSL_API_KEY: "key-of-the-website" });
  expect(byKey.code, byKey.stderr).toBe(0);
  expect(Object.keys(bindings)).toHaveLength(2);
  const said = byKey.stdout + byKey.stderr;
  for (const secret of ["key-of-the-website", ...Object.values(bindings)])
    expect(said).not.toContain(secret);

  const refused = await register("c", [], { ZEROSSL_API_KEY: "another-key" });
  expect(refused.code).toBe(5);
  expect(refused.stderr).toContain("invalid_access_key, 101");
  const without = await register("c", []);
  expect(without.code).toBe(2);
  expect(without.stderr).toContain("--email you@example.com or ACMECTL_ZEROSSL_API_KEY=KEY");

  bindings["mine"] = "c2VjcmV0LW9mLW1pbmU";
  const questions = asked.filter((one) => one.startsWith("POST api.")).length;
  const hmac = { ACMECTL_EAB_HMAC: "c2VjcmV0LW9mLW1pbmU" };
  expect((await register("d", [...email, "--eab-kid", "mine"], hmac)).code).toBe(0);
  expect(asked.filter((one) => one.startsWith("POST api."))).toHaveLength(questions);
});
