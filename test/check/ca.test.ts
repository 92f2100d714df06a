import { expect, test } from "vitest";
import { resolveServer } from "../../src/acme/presets.ts";
import { renewalNotes } from "../../src/check/ca.ts";
import { requestFor } from "../issue/world.ts";

test("check tells when a known CA asks for renewal, and says nothing of other CAs", () => {
  const notesOf = (server: string) =>
    renewalNotes(requestFor(["a.test"], { issuer: { server, agreeTos: true } }));
  expect(notesOf(resolveServer("letsencrypt"))).toEqual([
    "letsencrypt asks for renewal when about 33 % of the lifetime is left (50 % below ten days), in a window of 2 % of the lifetime",
  ]);
  expect(notesOf("https://ca.example/directory")).toEqual([]);
});
