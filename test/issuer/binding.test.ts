import { expect, test } from "vitest";
import { resolveServer } from "../../src/acme/presets.ts";
import { bindingHint } from "../../src/acme/registration.ts";
import { bindingOf, zerosslBinding } from "../../src/issuer/binding.ts";
import { recordingLog } from "../../src/testing.ts";
import { temporaryStore } from "../issue/world.ts";
import { contextOf } from "../support/context.ts";

const key = "MjXU3MH-Z0WQ7piMAnVsCpD1shgMiWx6ggPWiTmydgUaj7dWWWfQfA";
const twice = Buffer.from(key).toString("base64");

const issuerOf = (server: string) => {
  return { server: resolveServer(server), agreeTos: true, eabKid: "kid-1", eabHmac: "env:HMAC" };
};

test("a key that gcloud printed is decoded once more for Google, which the log says", async () => {
  const log = recordingLog();
  const masked: string[] = [];
  const mask = (secret: string) => void masked.push(secret);
  const context = contextOf({ log, mask, env: { HMAC: twice } });
  expect(await bindingOf(issuerOf("google"), context)).toEqual({ kid: "kid-1", hmacKey: key });
  expect(log.entries.map(({ message }) => message)).toEqual([
    "the HMAC key is base64-encoded twice, as gcloud prints it; it is decoded once more",
  ]);
  expect(masked).toContain(key);
});

test.each([
  ["another CA, whose key may be readable words", "https://ca.example.com/directory", twice],
  ["Google, where it is encoded once", "google-staging", key],
])("a key stays as it is for %s", async (_, server, hmac) => {
  const context = contextOf({ env: { HMAC: hmac } });
  const binding = await bindingOf(issuerOf(server), context);
  expect(binding?.hmacKey).toBe(hmac.replace(/=+$/, ""));
});

test("Google's pair registers one account within seven days, which the hint says", () => {
  expect(bindingHint(resolveServer("google"))).toContain("one account only, within 7 days.");
  expect(bindingHint(resolveServer("actalis"))).not.toContain("days");
});

test("the flag --zerossl-api-key with another CA is refused; a variable is not used", async () => {
  const issuer = { ...issuerOf("letsencrypt"), zerosslApiKey: "env:KEY" };
  const accounts = { accounts: (await temporaryStore()).accounts };
  const given = (source: string) =>
    zerosslBinding(issuer, accounts, contextOf({ sourceOf: () => source }));
  await expect(given("--zerossl-api-key")).rejects.toMatchObject({
    message:
      "--zerossl-api-key was given, which is for ZeroSSL, and the CA of this request is letsencrypt.",
    hint: "Add --server zerossl, or leave --zerossl-api-key out.",
  });
  expect(await given("ZEROSSL_API_KEY")).toBeUndefined();
});
