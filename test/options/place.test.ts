import { expect, test } from "vitest";
import { parsePlace } from "../../src/options/place.ts";

test.each([
  ["192.0.2.1", { host: "192.0.2.1", port: 80 }],
  ["192.0.2.1:8080", { host: "192.0.2.1", port: 8080 }],
  ["2001:db8::1", { host: "2001:db8::1", port: 80 }],
  ["[2001:db8::1]", { host: "2001:db8::1", port: 80 }],
  ["[2001:db8::1]:8080", { host: "2001:db8::1", port: 8080 }],
])("--self-check-at takes %s", (text, place) => {
  expect(parsePlace(text)).toEqual(place);
});

test.each(["www.example.com", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:", ""])(
  "--self-check-at refuses %j, and says what it takes",
  (text) => {
    expect(() => parsePlace(text)).toThrow(/--self-check-at/);
  },
);
