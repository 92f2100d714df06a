import { describe, expect, test } from "vitest";
import { parseConf, savedIn, valueIn } from "../../src/import/acme-sh/conf.ts";
import { solversOf as acmeShSolvers } from "../../src/import/acme-sh/solvers.ts";
import { solversOf as certbotSolvers } from "../../src/import/certbot/authenticators.ts";
import { parseIni, valueOf } from "../../src/import/certbot/ini.ts";

describe("certbot's ini files", () => {
  test.each([
    ["key = plain text", "plain text"],
    ["key = plain # a comment", "plain"],
    ["key = colour#fff", "colour#fff"],
    ["  key=  spaced  ", "spaced"],
    ['key = "a, b" # c', "a, b"],
    [`key = 'echo "x" # y'`, 'echo "x" # y'],
    [`key = """it's "both" kinds"""`, `it's "both" kinds`],
    ["key = /srv/a,", "/srv/a"],
    ["key = a, 'b, c', d", "a, b, c, d"],
    ["# key = commented out", undefined],
    ["key = ", undefined],
    ["key = None", undefined],
    ['"key" = quoted', "quoted"],
    ["no pair at all", undefined],
    ["key = 'never closed", "'never closed"],
  ])("%s", (line, value) => {
    expect(valueOf(parseIni(line), "key")).toBe(value);
  });

  test("nest sections by their brackets, and a key of JavaScript's is a key like any other", () => {
    const text = "[one]\na = 1\n[[two]]\nb = 2\n[__proto__]\n__proto__ = 3\n[three]\nc = 4\n";
    const { sections } = parseIni(text);
    expect(valueOf(sections["one"], "a")).toBe("1");
    expect(valueOf(sections["one"]?.sections["two"], "b")).toBe("2");
    expect(valueOf(sections["three"], "c")).toBe("4");
    expect(Object.keys(sections)).toEqual(["one", "__proto__", "three"]);
    expect({}).not.toHaveProperty("c");
  });
});

describe("certbot's hooks for dns-01", () => {
  test("go on as they are, and nothing is cleaned up where there was no hook for it", async () => {
    const parameters = (...lines: string[]) =>
      parseIni(["authenticator = manual", "pref_challs = dns-01,", ...lines].join("\n"));
    const both = await certbotSolvers(
      parameters("manual_auth_hook = /opt/auth.sh", "manual_cleanup_hook = /opt/clean.sh x"),
    );
    expect(both.solvers).toEqual([
      {
        use: "exec",
        options: {
          style: { value: "certbot" },
          shell: { value: true },
          command: { value: ["/opt/auth.sh"] },
          cleanupCommand: { value: ["/opt/clean.sh x"] },
        },
      },
    ]);
    const one = await certbotSolvers(parameters("manual_auth_hook = /opt/auth.sh"));
    expect(one.solvers[0]?.options["cleanupCommand"]).toEqual({ value: ["true"] });
  });
});

describe("acme.sh's files", () => {
  const conf = (...lines: string[]) => parseConf(lines.join("\n"), "/conf");

  test("are read and never run", () => {
    const read = conf("A='x'", `B='$(touch /tmp/x)'`, "C=bare", 'D="double"', "evil; E='1'");
    expect(["A", "B", "C", "D", "E"].map((key) => valueIn(read, key))).toEqual([
      "x",
      "$(touch /tmp/x)",
      "bare",
      "double",
      undefined,
    ]);
  });

  test("what a domain has saved comes before what the account has", () => {
    const found = savedIn(
      [conf("SAVED_CF_Zone_ID='own'"), conf("SAVED_CF_Zone_ID='all'")],
      "CF_Zone_ID",
    );
    expect(found?.value).toBe("own");
  });

  test("a script for DNS without an equivalent goes on by exec where acme.sh is there", () => {
    const domain = conf("Le_Domain='a.example.com'", "Le_Alt='no'", "Le_Webroot='dns_inwx'");
    const there = acmeShSolvers(domain, conf(), {
      folder: "/root/.acme.sh",
      scripts: ["dns_inwx"],
    });
    expect(there.solvers).toMatchObject([
      {
        use: "exec",
        options: {
          command: { value: ["dns_inwx"] },
          acmeSh: { value: "/root/.acme.sh/acme.sh" },
          style: { value: "acme.sh" },
        },
      },
    ]);
    expect(there.notes.join()).toContain("keep /root/.acme.sh");
    const gone = acmeShSolvers(domain, conf(), { folder: "/root/.acme.sh", scripts: [] });
    expect(gone).toMatchObject({ solvers: [], notes: [expect.stringContaining("by dns_inwx")] });
  });
});
