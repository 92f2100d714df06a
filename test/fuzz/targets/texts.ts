/** What people write, and what other programs write for people: names, options, the config, ini files, output. */
import { limitsOf } from "../../../src/acme/limits.ts";
import { parseIdentifiers, readName } from "../../../src/acme/identifiers.ts";
import { printable } from "../../../src/acme/text.ts";
import { assemble } from "../../../src/config/assemble.ts";
import { readSections } from "../../../src/config/check.ts";
import { withValue } from "../../../src/config/edit.ts";
import { valueFaults } from "../../../src/config/values.ts";
import { faultsProblem, parseYaml } from "../../../src/config/yaml.ts";
import { assertWindow, endOfOpen, nextWindow } from "../../../src/deploy/windows.ts";
import { parseConf, savedIn } from "../../../src/import/acme-sh/conf.ts";
import { parseIni, valueOf } from "../../../src/import/certbot/ini.ts";
import { openMask } from "../../../src/mask.ts";
import type { OptionType } from "../../../src/options/declaration.ts";
import { formatDuration, parseDuration } from "../../../src/options/duration.ts";
import { parsePlace } from "../../../src/options/place.ts";
import { parseValue } from "../../../src/options/value.ts";
import { quotedWord, splitWords } from "../../../src/options/words.ts";
import { manyLines, oneLine, safeJson } from "../../../src/output/text.ts";
import { proxyFor } from "../../../src/proxy.ts";
import { timesOfCalendar, timesOfLine } from "../../../src/schedule/times.ts";
import { holds, isClean, now, orProblem, type Target } from "../target.ts";

const types: readonly OptionType[] = [
  "string",
  "boolean",
  "integer",
  "port",
  "duration",
  "url",
  "path",
  "list",
  "map",
  "json",
];
const year = { notBefore: "2026-01-01T00:00:00Z", notAfter: "2027-01-01T00:00:00Z" };

export const textTargets: readonly Target[] = [
  {
    name: "domain-name",
    promise:
      "a domain name becomes ASCII in lower case and stays it, or the reason why not is one clean line",
    words: ["xn--", "*.", ".example.com", "[::1]", "::ffff:192.0.2.1", "ß", "İ", "。", "٣"],
    check(input) {
      const text = input.toString();
      const read = readName(text);
      if (typeof read === "string") {
        orProblem(() => parseIdentifiers([text]));
        return;
      }
      holds(/^[a-z0-9*.:-]{1,253}$/.test(read.value), "a name is ASCII in lower case");
      const again = readName(read.value);
      holds(
        typeof again !== "string" && again.value === read.value,
        "a name is read the same again",
      );
    },
  },
  {
    name: "config",
    promise:
      "a config file is read, or refused with a Problem that shows where, and one value can be changed alone",
    words: [
      "issuers:\n",
      "certificates:\n",
      "&a ",
      "*a",
      "<<: ",
      "!!binary ",
      "--- \n",
      "? ",
      "|\n",
      "0o777",
      "deploy:",
    ],
    check(input) {
      const file = orProblem(() => parseYaml(input.toString(), "/etc/acmectl/config.yaml"));
      if (file === undefined) return;
      const { sections, faults } = readSections(file, "/etc/acmectl", new Map());
      const all = [...faults, ...valueFaults(sections)];
      orProblem(() => {
        if (all.length > 0) throw faultsProblem(file, all);
        assemble(file.path, true, sections);
      });
      const text = orProblem(() => withValue(file, ["dns", "timeout"], "5m"));
      const dns = text === undefined ? undefined : parseYaml(text, file.path).value["dns"];
      holds(
        dns === undefined || JSON.stringify(dns).includes('"timeout":"5m"'),
        "the value was changed",
      );
    },
  },
  {
    name: "option",
    promise: "the value of an option is read, or the reason why not is given",
    words: [
      "1h30m",
      "5/3h",
      "env:X",
      "file:/x",
      "cmd:x",
      "~/",
      "0 2 * * 6",
      "Europe/Berlin",
      "OnCalendar=",
      "@daily",
    ],
    check(input) {
      const text = input.toString();
      const [first = "", second = ""] = text.split("\n");
      for (const type of types) {
        const parsed = parseValue({ type, description: "x" }, text, {
          folder: "/etc",
          home: "/root",
        });
        holds("value" in parsed || parsed.wrong !== "", "there is a value or a reason");
      }
      const words = splitWords(text);
      if (words !== undefined)
        holds(
          String(splitWords(words.map(quotedWord).join(" "))) === String(words),
          "words are quoted as they are read",
        );
      const duration = parseDuration(first);
      if (duration !== undefined)
        holds(
          parseDuration(formatDuration(duration)) === duration,
          "a duration is written as it is read",
        );
      orProblem(() => limitsOf("https://ca.example/", { ordersPerAccount: first }));
      orProblem(() => parsePlace(first));
      orProblem(() =>
        proxyFor({ HTTPS_PROXY: first, NO_PROXY: second }, "https://ca.example/directory"),
      );
      timesOfCalendar(text);
      timesOfLine(text);
    },
  },
  {
    name: "window",
    promise: "a deploy window opens at some time, or is refused with a Problem",
    words: ["*", "*/1 ", "0-59 ", "L ", "W ", "#", "Europe/Berlin", "UTC", "@yearly", "29 2 "],
    check(input) {
      const [start = "", zone, length = "1h"] = input.toString().split("\n");
      const duration = parseDuration(length) ?? 3_600_000;
      const window = { start, duration, timeZone: zone === "" ? undefined : zone };
      orProblem(() => {
        assertWindow(window, "certificates.shop.windows");
        nextWindow([window], year, now);
        endOfOpen([window], now);
      });
    },
  },
  {
    name: "ini",
    promise: "the files of certbot and acme.sh are read, whatever is in them",
    words: [
      "[[",
      "]]",
      "'''",
      '"""',
      " = ",
      "#",
      "SAVED_X=",
      "export ",
      "__ACME_BASE64__START_",
      "__ACME_BASE64__END_",
    ],
    check(input) {
      const text = input.toString();
      const ini = parseIni(text);
      for (const key of ["__proto__", "constructor", "a"]) {
        valueOf(ini, key);
        valueOf(ini.sections[key], key);
      }
      savedIn([parseConf(text, "account.conf")], "X");
      holds(Object.keys(Object.prototype).length === 0, "nothing else is changed");
    },
  },
  {
    name: "output",
    promise: "any text is written without control characters, and without a secret in it",
    words: ["s3cret-t0ken-value", "\u{E0041}", "\u115F", "🏳️‍🌈"],
    check(input) {
      const mask = openMask();
      mask.add("s3cret-t0ken-value");
      const text = mask.text(input.toString());
      holds(!text.includes("s3cret-t0ken-value"), "a secret is masked");
      const lines = [oneLine(text), ...manyLines(text), printable(text)];
      holds(lines.every(isClean), "a line has no control characters");
      const json = safeJson({ [text]: text }, 2);
      holds(isClean(json.replaceAll("\n", "")), "a JSON document has no control characters");
      holds(Object.keys(JSON.parse(json) as object)[0] === text, "a JSON document keeps the text");
    },
  },
];
