import { execFileSync } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

  test("certbot's ini sections nest by their brackets, and __proto__ is a key like any other", () => {
    const text = "[one]\na = 1\n[[two]]\nb = 2\n[__proto__]\n__proto__ = 3\n[three]\nc = 4\n";
    const { sections } = parseIni(text);
    expect(valueOf(sections["one"], "a")).toBe("1");
    expect(valueOf(sections["one"]?.sections["two"], "b")).toBe("2");
    expect(valueOf(sections["three"], "c")).toBe("4");
    expect(Object.keys(sections)).toEqual(["one", "__proto__", "three"]);
    expect({}).not.toHaveProperty("c");
  });
});

const asIs = (path: string) => Promise.resolve(path);

test("a value in triple quotes keeps its lines", () => {
  const text = [
    "a = 1",
    "post_hook = '''echo line1",
    "echo 'line2' # no comment",
    "'''",
    'pre_hook = """one',
    'two"""',
    "b = 2",
    "[s]",
    "c = '''open",
    "d = 4",
  ].join("\r\n");
  const ini = parseIni(text);
  const values = ["a", "post_hook", "pre_hook", "b"].map((key) => valueOf(ini, key));
  expect(values).toEqual(["1", "echo line1\necho 'line2' # no comment\n", "one\ntwo", "2"]);
  expect(valueOf(ini.sections["s"], "d")).toBe("4");
});

describe("certbot's hooks for dns-01", () => {
  test("certbot's hooks for dns-01 run unchanged, without cleanup when there is no hook for it", async () => {
    const parameters = (...lines: string[]) =>
      parseIni(["authenticator = manual", "pref_challs = dns-01,", ...lines].join("\n"));
    const both = await certbotSolvers(
      parameters("manual_auth_hook = /opt/auth.sh", "manual_cleanup_hook = /opt/clean.sh x"),
      [],
      asIs,
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
    const one = await certbotSolvers(parameters("manual_auth_hook = /opt/auth.sh"), [], asIs);
    expect(one.solvers[0]?.options["cleanupCommand"]).toEqual({ value: ["true"] });
  });
});

describe("certbot's manual hooks", () => {
  const hook = ["authenticator = manual", "manual_auth_hook = true"];
  test.each([
    ["a wildcard", ["*.example.com"], hook],
    ["pref_challs = dns", ["example.com"], [...hook, "pref_challs = dns"]],
  ])("are for dns-01 with %s", async (_, names, lines) => {
    const { solvers, notes } = await certbotSolvers(parseIni(lines.join("\n")), names, asIs);
    expect(solvers).toMatchObject([{ use: "exec", options: { command: { value: ["true"] } } }]);
    expect(notes).toEqual([]);
  });

  test("certbot's manual hooks without a preference answer http-01, as certbot does", async () => {
    const { solvers } = await certbotSolvers(parseIni(hook.join("\n")), ["example.com"], asIs);
    expect(solvers).toMatchObject([{ use: "exec", challenge: "http-01" }]);
  });

  test("certbot's manual hooks are reported when their program does not exist", async () => {
    const ini = parseIni("authenticator = manual\nmanual_auth_hook = /nowhere/auth.py add");
    const { notes } = await certbotSolvers(ini, ["*.example.com"], asIs);
    expect(notes).toEqual(["The solver exec is not ready: /nowhere/auth.py does not exist."]);
  });
});

test("certbot's former name of the route53 plugin is understood", async () => {
  const ini = parseIni("authenticator = certbot-route53:auth");
  const { solvers } = await certbotSolvers(ini, ["example.com"], asIs);
  expect(solvers).toMatchObject([{ use: "route53" }]);
});

describe("acme.sh's files", () => {
  const conf = (...lines: string[]) => parseConf(lines.join("\n"), "/conf");

  test("acme.sh's files are read and never run", () => {
    const read = conf("A='x'", `B='$(touch /tmp/x)'`, "C=bare", 'D="double"', "evil; E='1'");
    expect(["A", "B", "C", "D", "E"].map((key) => valueIn(read, key))).toEqual([
      "x",
      "$(touch /tmp/x)",
      "bare",
      "double",
      undefined,
    ]);
  });

  test("an acme.sh file may have export before a name, and the secret's reference prints the value", async () => {
    const file = join(await mkdtemp(join(tmpdir(), "acme-sh-")), "account.conf");
    for (const line of ["export A='s3cret'", 'A="s3cret"', "A=s3cret", "  export  A=s3cret  "]) {
      await writeFile(file, `${line}\n`);
      const found = savedIn([parseConf(line, file)], "A");
      expect(found?.value).toBe("s3cret");
      const printed = execFileSync("sed", ["-n", found?.at?.script ?? "", file], {
        encoding: "utf8",
      });
      expect(printed).toBe("s3cret\n");
    }
  });

  test("acme.sh's values of a domain override those of the account", () => {
    const found = savedIn(
      [conf("SAVED_CF_Zone_ID='own'"), conf("SAVED_CF_Zone_ID='all'")],
      "CF_Zone_ID",
    );
    expect(found?.value).toBe("own");
  });

  test("an acme.sh DNS script without an equivalent runs by exec where acme.sh is installed", () => {
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
