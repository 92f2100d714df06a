import { describe, expect, test } from "vitest";
import type { OptionDeclaration } from "../../src/options/declaration.ts";
import { parseValue } from "../../src/options/value.ts";

const place = { folder: "/etc/acmectl", home: "/home/ops" };
const read = (declaration: Omit<OptionDeclaration, "description">, raw: unknown) =>
  parseValue({ description: "For this test.", ...declaration }, raw, place);

describe("what is written is read as its declaration says", () => {
  test.each<[Omit<OptionDeclaration, "description">, unknown, unknown]>([
    [{ type: "string" }, "letsencrypt", "letsencrypt"],
    [{ type: "string" }, 42, "42"],
    [{ type: "string" }, ' "ISRG Root X1" ', "ISRG Root X1"],
    [{ type: "string" }, "'", "'"],
    [{ type: "string", choices: ["ec256"] }, "'ec256'", "ec256"],
    [{ type: "string", secret: true }, ' "quoted" ', ' "quoted" '],
    [{ type: "boolean" }, '"true"', true],
    [{ type: "port" }, '"8080"', 8080],
    [{ type: "duration" }, " '90s'", 90_000],
    [{ type: "url" }, '"https://acme.example.com/dir"', "https://acme.example.com/dir"],
    [{ type: "path" }, '"/srv/w w/"', "/srv/w w"],
    [{ type: "list" }, "'a.example.com, b.example.com'", ["a.example.com", "b.example.com"]],
    [{ type: "list" }, '"a.example.com","b.example.com"', ["a.example.com", "b.example.com"]],
    [{ type: "list", verbatim: true }, ['"cp a" b'], ['"cp a" b']],
    [{ type: "string" }, ["same", "same"], "same"],
    [{ type: "boolean" }, true, true],
    [{ type: "boolean" }, "YES", true],
    [{ type: "boolean" }, "0", false],
    [{ type: "integer" }, "-3", -3],
    [{ type: "integer", min: 60, max: 86_400 }, 60, 60],
    [{ type: "port" }, "8080", 8080],
    [{ type: "port", min: 0 }, 0, 0],
    [{ type: "duration", min: 1000 }, "1m30s", 90_000],
    [{ type: "url" }, "https://acme.example.com/dir", "https://acme.example.com/dir"],
    [{ type: "path" }, "web.pem", "/etc/acmectl/web.pem"],
    [{ type: "path" }, "/srv/www/", "/srv/www"],
    [{ type: "path" }, "~/www", "/home/ops/www"],
    [{ type: "list" }, "a.example.com, b.example.com", ["a.example.com", "b.example.com"]],
    [
      { type: "list" },
      ["a.example.com,b.example.com", "c.example.com"],
      ["a.example.com", "b.example.com", "c.example.com"],
    ],
    [{ type: "list" }, "a.example.com\nb.example.com", ["a.example.com", "b.example.com"]],
    [{ type: "list" }, [], []],
    [{ type: "list", verbatim: true }, ["cp a,b /srv"], ["cp a,b /srv"]],
    [{ type: "list", choices: ["dns", "ip"] }, "ip,DNS", ["ip", "dns"]],
    [{ type: "string", choices: ["ec256"] }, "EC256", "ec256"],
    [{ type: "string", choices: ["12h", "1h"] }, "60m", "1h"],
    [{ type: "string", choices: ["12h", "1h"] }, "720m", "12h"],
    [{ type: "string", choices: ["12h", "1h"] }, "12 h", "12h"],
    [{ type: "map" }, ["team=shop", "note=a,b=c"], { team: "shop", note: "a,b=c" }],
    [{ type: "map" }, "team=shop,tier=1", { team: "shop", tier: "1" }],
    [{ type: "map" }, { team: "shop", tier: 1 }, { team: "shop", tier: "1" }],
    [{ type: "json" }, { any: ["thing"] }, { any: ["thing"] }],
    [{ type: "json" }, '{"any":["thing"]}', { any: ["thing"] }],
  ])("%o reads %j", (declaration, raw, value) => {
    expect(read(declaration, raw)).toEqual({ value });
  });
});

describe("what does not fit is refused", () => {
  test.each<[Omit<OptionDeclaration, "description">, unknown, string]>([
    [{ type: "string" }, "", "is empty"],
    [{ type: "string" }, null, "is empty"],
    [{ type: "string" }, true, "is not text"],
    [{ type: "string" }, { a: 1 }, "is not text"],
    [{ type: "string" }, ["a", "b"], "has more than one value"],
    [{ type: "string" }, [], "has more than one value"],
    [{ type: "string", choices: ["ec256"] }, "ec-256", "is not one of the choices"],
    [{ type: "string", choices: ["12h", "1h"] }, "61m", "is not one of the choices"],
    [{ type: "string", choices: ["get", "Get"] }, "GET", "is not one of the choices"],
    [{ type: "boolean" }, "maybe", "is neither true nor false"],
    [{ type: "boolean" }, 2, "is neither true nor false"],
    [{ type: "integer" }, "1e3", "is not a whole number"],
    [{ type: "integer" }, "0x10", "is not a whole number"],
    [{ type: "integer" }, 1.5, "is not a whole number"],
    [{ type: "integer" }, "99999999999999999999", "is not a whole number"],
    [{ type: "integer", min: 60 }, 59, "is too small"],
    [{ type: "integer", max: 60 }, 61, "is too large"],
    [{ type: "port" }, 0, "is too small"],
    [{ type: "port" }, "65536", "is too large"],
    [{ type: "duration" }, 60, "is not a duration"],
    [{ type: "duration", min: 60_000 }, "59s", "is too small"],
    [{ type: "url" }, "acme.example.com", "is not a web address"],
    [{ type: "url" }, "file:///etc/passwd", "is not a web address"],
    [{ type: "url" }, "javascript:alert(1)", "is not a web address"],
    [{ type: "url" }, "https:example.com", "is not a web address"],
    [{ type: "path" }, "a\0b", "is not a path"],
    [{ type: "list" }, "a,,b", "has an empty element"],
    [{ type: "list" }, "a,", "has an empty element"],
    [{ type: "list" }, ["a", null], "holds something that is not text"],
    [{ type: "list", choices: ["dns"] }, "dns,http", 'has "http", which is not one of the choices'],
    [{ type: "map" }, ["team"], 'has no text for "team"'],
    [{ type: "map" }, ["=shop"], "has a value without a key"],
    [{ type: "map" }, "a=1,a=2", 'has "a" twice'],
    [{ type: "json" }, "{", "is not JSON"],
  ])("%o does not read %j: it %s", (declaration, raw, wrong) => {
    expect(read(declaration, raw)).toEqual({ wrong });
  });

  test("a map may have a key called __proto__", () => {
    const parsed = read({ type: "map" }, JSON.parse('{"__proto__":"x"}'));
    const value = "value" in parsed ? parsed.value : undefined;
    expect(Object.keys(value as object)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });
});
