import { expect, test } from "vitest";
import { resolveServer } from "../../src/acme/presets.ts";
import { bindingOf } from "../../src/issuer/binding.ts";
import { recordingLog } from "../../src/testing.ts";
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
