import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import type { OptionDeclarations } from "../../src/options/declaration.ts";
import { schemaOf } from "../../src/config/schema.ts";

const declarations = {
  apiToken: { type: "string", secret: true, required: true, description: "A token." },
  ttl: { type: "integer", min: 60, description: "Seconds." },
  port: { type: "port", default: 80, description: "Where to listen." },
  wait: { type: "duration", default: 90_000, description: "How long." },
  keyType: { type: "string", choices: ["ec256", "rsa2048"], description: "Kind." },
  names: { type: "list", description: "Names." },
  labels: { type: "map", description: "Labels." },
  url: { type: "url", description: "Where." },
  rules: { type: "json", description: "Anything." },
} as const satisfies OptionDeclarations;

const validate = new Ajv2020({ allowUnionTypes: true, formats: { uri: true } }).compile(
  schemaOf(declarations),
);

test.each([
  {},
  { apiToken: "env:TOKEN", ttl: 60, port: 8080, wait: "1m30s", keyType: "ec256" },
  { names: ["a", "b"], labels: { team: "shop" }, url: "https://example.com", rules: [1] },
  { names: "a,b" },
])("the JSON Schema accepts %j", (values) => {
  expect(validate(values)).toBe(true);
});

test.each([
  { apiTokn: "x" },
  { ttl: 59 },
  { ttl: "60" },
  { port: 65_536 },
  { wait: 90 },
  { wait: "90" },
  { keyType: "EC256" },
  { names: [["a"]] },
  { labels: ["team=shop"] },
  { url: "ftp://example.com" },
])("the JSON Schema rejects %j", (values) => {
  expect(validate(values)).toBe(false);
});

test("the JSON Schema shows a default duration with its unit", () => {
  expect(schemaOf(declarations).properties["wait"]).toMatchObject({ default: "1m30s" });
  expect(schemaOf(declarations).properties["port"]).toMatchObject({ default: 80 });
});
