import { describe, expect, test } from "vitest";
import { presetOf, presets, resolveServer, stagingOf } from "../../src/acme/presets.ts";
import { Problem } from "../../src/problem.ts";

function problemOf(text: string): Problem {
  try {
    resolveServer(text);
  } catch (error) {
    if (Problem.is(error)) return error;
    throw error;
  }
  throw new Error("accepted");
}

test("a preset, its aliases in any case and its URL are the same server", () => {
  for (const preset of presets) {
    for (const name of [preset.name, ...preset.aliases]) {
      expect(resolveServer(name.toUpperCase())).toBe(preset.url);
    }
    expect(resolveServer(preset.url)).toBe(preset.url);
    expect(preset.url).toMatch(/^https:/);
  }
  const names = presets.flatMap(({ name, aliases }) => [name, ...aliases]);
  expect(new Set(names).size).toBe(names.length);
});

test("the staging environment is found from production, and is its own staging", () => {
  const staging = "https://acme-staging-v02.api.letsencrypt.org/directory";
  expect(stagingOf(resolveServer("letsencrypt"))).toBe(staging);
  expect(stagingOf(staging)).toBe(staging);
  expect(stagingOf(resolveServer("zerossl"))).toBeUndefined();
  expect(stagingOf("https://ca.example/dir")).toBeUndefined();
  expect(presetOf(staging)?.name).toBe("letsencrypt-staging");
});

test("any https URL is a server, exactly as written", () => {
  expect(resolveServer("https://CA.example:8443/a/../dir")).toBe(
    "https://CA.example:8443/a/../dir",
  );
});

test.each([
  "ca.example:9000/acme/acme/directory",
  "localhost:14000/dir",
  "[::1]:14000/dir",
  "ca.example.com/dir",
])("https:// may be left out of %s", (text) => {
  expect(resolveServer(text)).toBe(`https://${text}`);
});

describe("texts that are not servers", () => {
  test.each([
    ["letsencrpyt", /neither a known CA nor a URL/, /^Did you mean letsencrypt\?/],
    ["buypass", /"buypass" is neither/, /Known names: /],
    ["ca.example.com", /neither/, /https:\/\/ca\.example\.com\/acme\/directory/],
    ["http://ca.example/dir", /requires https/, /--ca-bundle/],
    ["ftp://ca.example/dir", /requires https/, /https URL/],
    [
      "https://me:pw@ca.example/dir",
      /^The server URL on ca\.example contains a user name/,
      /--eab-kid/,
    ],
    ["https://", /is not a URL/, /directory/],
    ["https://ca.example/\u001b[31m", /is not a URL/, /directory/],
  ])("%j is refused as a server, with a remedy", (text, message, hint) => {
    const problem = problemOf(text);
    expect(problem.exitCode).toBe(2);
    expect(problem.message).toMatch(message);
    expect(problem.hint).toMatch(hint);
    expect(problem.message).not.toContain("pw");
  });
});
