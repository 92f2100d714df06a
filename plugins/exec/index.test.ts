import { runHint } from "../../test/support/shell.ts";
import { access, chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Problem, type Challenge, type ChallengeOf, type OptionsOf } from "acmectl/plugin";
import { challengeFor, recordingLog, solverConformance, solverContext } from "acmectl/testing";
import { run } from "../../test/support/run.ts";
import { temporaryFolder } from "../../test/support/state.ts";
import exec from "./index.ts";

type Options = OptionsOf<typeof exec.options>;

const call = { signal: new AbortController().signal };
const folder = await temporaryFolder();
const at = (name: string) => join(folder.path, name);
afterAll(() => folder[Symbol.asyncDispose]());
afterEach(() => {
  vi.unstubAllEnvs();
});

const defaults: Options = {
  command: [],
  cleanupCommand: undefined,
  style: "lego",
  mode: undefined,
  shell: false,
  acmeSh: undefined,
  env: undefined,
  secrets: undefined,
  passEnv: undefined,
  directory: undefined,
  timeout: 20_000,
  parallel: 1,
};

function solver(given: Partial<Options>, log = recordingLog()) {
  return exec.create({ ...defaults, ...given }, solverContext({ log }));
}

async function script(name: string, text: string): Promise<string> {
  await writeFile(at(name), text, { mode: 0o755 });
  return at(name);
}

async function problemOf(promise: Promise<unknown> | undefined): Promise<Problem> {
  const error = await promise?.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!Problem.is(error)) throw new Error(`no Problem but ${String(error)}`);
  return error;
}

/** Writes down how it was called: arguments, a line each, then the variables asked for. */
const recorder = await script(
  "recorder",
  `#!/bin/sh
{
  echo "call $#"
  for word in "$@"; do echo "<$word>"; done
  env | grep -E '^(ACMECTL|CERTBOT)_' | sort
} >> "$RECORD"
echo "  the output  "
`,
);
beforeEach(async () => {
  vi.stubEnv("RECORD", at("record"));
  await rm(at("record"), { force: true });
});

/** What the recorder wrote of each call: its arguments, and its variables. */
async function recorded() {
  const text = await readFile(at("record"), "utf8");
  return text
    .split(/^call \d+\n/m)
    .slice(1)
    .map((part) => {
      const lines = part.trimEnd().split("\n");
      return {
        words: lines.filter((line) => line.startsWith("<")).map((line) => line.slice(1, -1)),
        env: Object.fromEntries(
          lines
            .filter((line) => !line.startsWith("<"))
            .map((line) => line.split(/=(.*)/s).slice(0, 2)),
        ) as Record<string, string>,
      };
    });
}

async function presentAndCleanup(
  given: Partial<Options>,
  challenge: ChallengeOf<"dns-01" | "http-01" | "tls-alpn-01">,
) {
  const made = await solver(given);
  const { identifier, wildcard, type: challengeType } = challenge;
  const names =
    challenge.type === "dns-01"
      ? { validationName: challenge.validationName, recordName: challenge.recordName }
      : {};
  await made.preflight?.([{ identifier, wildcard, challengeType, ...names }], call);
  const receipt = await made.present(challenge, call);
  await made.cleanup(challenge, receipt, call);
  return recorded();
}

describe("conformance of the exec solver", async () => {
  const store = await script(
    "store",
    `#!/bin/sh
set -e
mkdir -p "$STORE/$2"
case $1 in
  present) : > "$STORE/$2/$3" ;;
  cleanup) rm -f -- "$STORE/$2/$3" ;;
  *) exit 64 ;;
esac
echo "using $API_KEY"
`,
  );
  await mkdir(at("store.d"));
  const options = {
    ...defaults,
    command: [store],
    env: { STORE: at("store.d") },
    secrets: { API_KEY: "hunter2-hunter2" },
  };
  const place = (challenge: Challenge) =>
    join(at("store.d"), challenge.type === "dns-01" ? `${challenge.recordName}.` : "none");
  const cases = solverConformance({
    plugin: exec,
    options,
    visible: async (challenge) => readdir(place(challenge)).catch(() => []),
    foreign: {
      plant: async (challenge) => {
        await mkdir(place(challenge), { recursive: true });
        await writeFile(join(place(challenge), "foreign"), "");
      },
      look: async (challenge) =>
        access(join(place(challenge), "foreign")).then(
          () => true,
          () => false,
        ),
      remove: async (challenge) => rm(join(place(challenge), "foreign")),
    },
    broken: [
      {
        when: "a shell line is given as one word",
        options: { ...options, command: [`${store} --flag 1`] },
        says: /with its spaces.*one word per item: `command: \[\S*store, --flag, 1\]`.*store --exec-command=--flag --exec-command=1 as flags.*shell: true/s,
      },
      {
        when: "the program is missing",
        options: { ...options, command: ["/nowhere/hook"] },
        says: /\/nowhere\/hook was not found/,
      },
      {
        when: "the program cannot be run",
        options: { ...options, command: ["/etc/passwd"] },
        says: /cannot be run by this user[^]*chmod \+x/,
      },
      {
        when: "the program is a folder",
        options: { ...options, command: ["/tmp"] },
        says: /is a folder/,
      },
      {
        when: "the program fails",
        options: {
          ...options,
          command: ["sh", "-c", "echo token hunter2-hunter2 refused; exit 3"],
        },
        says: /exit code 3; its last output:\ntoken \*\*\* refused/,
      },
      {
        when: "a dnsapi script is used without acme.sh",
        options: { ...options, style: "acme.sh", command: ["dns_cf"] },
        says: /Set acmeSh/,
      },
      {
        when: "the command is not a dnsapi script",
        options: { ...options, style: "acme.sh", command: ["dns_cf; reboot"], acmeSh: "/bin/sh" },
        says: /not a dnsapi script/,
      },
      {
        when: "a placeholder is unknown",
        options: { ...options, style: "template", command: ["/bin/true", "{fqnd}"] },
        says: /unknown placeholder \{fqnd\}[^]*\{fqdn\}/,
      },
      {
        when: "sh would parse placeholders",
        options: { ...options, style: "template", shell: true, command: ["echo {value}"] },
        says: /\$ACMECTL_VALUE/,
      },
    ],
  });
  for (const { name, run } of cases) it(name, run);
});

describe("the exec solver calls the program in the style of", () => {
  const challenge = challengeFor("dns-01", "example.test", {
    wildcard: true,
    token: "-BeginsWithADash_and_goes_on",
    recordName: "example.acme.test",
  });
  const { token, keyAuthorization, recordValue } = challenge;
  const wordsOf = async (style: Options["style"], more: Partial<Options> = {}) =>
    (await presentAndCleanup({ style, command: [recorder, "first"], ...more }, challenge)).map(
      ({ words }) => words,
    );

  it("lego: the record's name with a dot at its end, and the value", async () => {
    expect(await wordsOf("lego")).toEqual([
      ["first", "present", "example.acme.test.", recordValue],
      ["first", "cleanup", "example.acme.test.", recordValue],
    ]);
  });

  it("lego raw: the bare domain, the token behind --, the key authorization", async () => {
    const expected = ["present", "cleanup"].map((action) => [
      "first",
      action,
      "--",
      "example.test",
      token,
      keyAuthorization,
    ]);
    expect(await wordsOf("lego-raw")).toEqual(expected);
    await rm(at("record"));
    expect(await wordsOf("lego", { mode: "RAW" })).toEqual(expected);
  });

  it("dehydrated: deploy_challenge and clean_challenge, no dot", async () => {
    expect(await wordsOf("dehydrated")).toEqual([
      ["first", "deploy_challenge", "example.test", token, recordValue],
      ["first", "clean_challenge", "example.test", token, recordValue],
    ]);
  });

  it("lego raw, dehydrated, uacme and a template for http-01: the content of the file", async () => {
    const file = challengeFor("http-01", "example.test");
    const { path, body } = file;
    const first = async (style: Options["style"], more: Partial<Options> = {}) => {
      await rm(at("record"), { force: true });
      const [one] = await presentAndCleanup({ style, command: [recorder], ...more }, file);
      return one?.words;
    };
    const words = [file.token, body];
    expect(await first("lego-raw")).toEqual(["present", "--", "example.test", ...words]);
    expect(await first("dehydrated")).toEqual(["deploy_challenge", "example.test", ...words]);
    expect(await first("uacme")).toEqual(["begin", "http-01", "example.test", ...words]);
    const command = [recorder, "{path}", "{value}", "{type}"];
    expect(await first("template", { command })).toEqual([path, body, "http-01"]);
    await expect(first("template", { command: [recorder, "{fqdn}"] })).rejects.toThrow(
      "uses {fqdn}, which http-01 does not have",
    );
    await expect(first("acme.sh")).rejects.toThrow("no calling convention for http-01");
    await expect(first("lego")).rejects.toThrow("no calling convention for http-01");
  });

  it("dehydrated and uacme for tls-alpn-01: the digest as each client writes it", async () => {
    const tls = challengeFor("tls-alpn-01", "192.0.2.1");
    const { digest, serverName } = tls;
    const [dehydrated] = await presentAndCleanup({ style: "dehydrated", command: [recorder] }, tls);
    const pairs = digest.match(/../g)?.join(":");
    expect(dehydrated?.words).toEqual(["deploy_challenge", "192.0.2.1", tls.token, pairs]);
    expect(dehydrated?.env).toMatchObject({
      ACMECTL_TYPE: "tls-alpn-01",
      ACMECTL_SERVER_NAME: serverName,
      ACMECTL_VALUE: digest,
    });
    await rm(at("record"));
    const [uacme] = await presentAndCleanup({ style: "uacme", command: [recorder] }, tls);
    const text = Buffer.from(digest, "hex").toString("base64url");
    expect(uacme?.words).toEqual(["begin", "tls-alpn-01", "192.0.2.1", tls.token, text]);
  });

  it("certbot for http-01: the token too, which dns-01 does not have", async () => {
    const file = challengeFor("http-01", "example.test");
    const [first] = await presentAndCleanup({ style: "certbot", command: [recorder] }, file);
    expect(first?.env).toMatchObject({
      CERTBOT_TOKEN: file.token,
      CERTBOT_VALIDATION: file.body,
      ACMECTL_PATH: file.path,
    });
    await rm(at("record"));
    const [dns] = await presentAndCleanup({ style: "certbot", command: [recorder] }, challenge);
    expect(dns?.env).not.toHaveProperty("CERTBOT_TOKEN");
  });

  it("uacme: begin and done, five words", async () => {
    expect(await wordsOf("uacme", { command: [recorder] })).toEqual([
      ["begin", "dns-01", "example.test", token, recordValue],
      ["done", "dns-01", "example.test", token, recordValue],
    ]);
  });

  it("certbot: no words, CERTBOT_ variables, the first hook's output handed to the second", async () => {
    const calls = await presentAndCleanup(
      {
        style: "certbot",
        shell: true,
        command: [`cat /dev/null | "${recorder}" auth`],
        cleanupCommand: [`"${recorder}" clean`],
      },
      challenge,
    );
    expect(calls.map(({ words }) => words)).toEqual([["auth"], ["clean"]]);
    const shared = {
      CERTBOT_DOMAIN: "example.test",
      CERTBOT_IDENTIFIER: "example.test",
      CERTBOT_VALIDATION: recordValue,
      CERTBOT_REMAINING_CHALLENGES: "0",
      CERTBOT_ALL_DOMAINS: "example.test",
      CERTBOT_ALL_IDENTIFIERS: "example.test",
    };
    expect(calls[0]?.env).toMatchObject(shared);
    expect(calls[0]?.env).not.toHaveProperty("CERTBOT_AUTH_OUTPUT");
    expect(calls[1]?.env).toMatchObject({ ...shared, CERTBOT_AUTH_OUTPUT: "the output" });
  });

  it("certbot, with the count of remaining challenges of present also in cleanup", async () => {
    const given = { style: "certbot", command: [recorder] } as const;
    const made = await solver(given);
    const all = ["a.test", "b.test"].map((name) => challengeFor("dns-01", name));
    await made.preflight?.(all, call);
    const receipts = [];
    for (const one of all) receipts.push(await made.present(one, call));
    for (const [index, one] of all.entries()) await made.cleanup(one, receipts[index], call);
    const counts = (await recorded()).map(({ env }) => env["CERTBOT_REMAINING_CHALLENGES"]);
    expect(counts).toEqual(["1", "0", "1", "0"]);
  });

  it("template: placeholders where the user put them", async () => {
    const command = [
      recorder,
      "{action}",
      "{zone}/{fqdn}={value}",
      "{domain} {type}",
      "$HOME `id`",
    ];
    expect(await wordsOf("template", { command })).toEqual(
      ["present", "cleanup"].map((action) => [
        action,
        `acme.test/example.acme.test=${recordValue}`,
        "example.test dns-01",
        "$HOME `id`",
      ]),
    );
  });

  it("acme.sh: the dnsapi script's functions, with acme.sh's own around them", async () => {
    await mkdir(at("dnsapi"), { recursive: true });
    const acmeSh = await script(
      "acme.sh",
      `#!/usr/bin/env sh
_info() { echo "[info] $*"; }
_initpath() { LE_WORKING_DIR=known; }
main() { [ -z "$1" ] && echo "usage" && return; exit 99; }
main "$@"
`,
    );
    await writeFile(
      at("dnsapi/dns_example.sh"),
      `dns_example_add() { _info "$LE_WORKING_DIR" adding; "${recorder}" add "$@"; }
dns_example_rm() { "${recorder}" rm "$@"; return "\${RETURN:-0}"; }
`,
    );
    const log = recordingLog();
    const given = { style: "acme.sh", acmeSh, command: ["dns_example"] } as const;
    const made = await solver(given, log);
    await made.present(challenge, call);
    await made.cleanup(challenge, undefined, call);
    const words = (await recorded()).map((one) => one.words);
    expect(words).toEqual([
      ["add", "example.acme.test", recordValue],
      ["rm", "example.acme.test", recordValue],
    ]);
    expect(log.entries[0]?.message).toBe("dns_example: [info] known adding");
    const failing = await solver({ ...given, env: { RETURN: "1" } });
    const problem = await problemOf(failing.cleanup(challenge, undefined, call));
    expect(problem.message).toContain(
      "dns_example (cleanup for example.acme.test) ended with exit code 1",
    );
  });

  it("dehydrated, with a warning if the record name is behind a CNAME", async () => {
    const log = recordingLog();
    const made = await solver({ style: "dehydrated", command: [recorder] }, log);
    const { identifier, wildcard, validationName, recordName } = challenge;
    await made.preflight?.([{ identifier, wildcard, validationName, recordName }], call);
    expect(log.entries).toMatchObject([{ level: "warn", message: /ACMECTL_FQDN/ }]);
  });
});

/** No resolver answers. */
const findZone = async () => {
  throw new Problem("network", { detail: "no resolver", hint: "look" });
};

describe("the environment of the program", () => {
  it("has the challenge, inherited and configured variables, but not acmectl's own", async () => {
    vi.stubEnv("ACMECTL_CLOUDFLARE_API_TOKEN", "s3cret");
    vi.stubEnv("ACMECTL_EAB_HMAC", "s3cret");
    vi.stubEnv("ACMECTL_MINE", "wanted");
    vi.stubEnv("CERTBOT_CONFIG", "theirs");
    const challenge = challengeFor("dns-01", "example.test");
    const options = {
      command: [recorder],
      passEnv: ["ACMECTL_MINE"],
      env: { CERTBOT_FROM: "config" },
      secrets: { CERTBOT_KEY: "from a reference" },
    };
    const [{ env } = { env: {} }] = await presentAndCleanup(options, challenge);
    expect(env).toMatchObject({
      ACMECTL_ACTION: "present",
      ACMECTL_TYPE: "dns-01",
      ACMECTL_DOMAIN: "example.test",
      ACMECTL_FQDN: "_acme-challenge.example.test",
      ACMECTL_VALUE: challenge.recordValue,
      ACMECTL_TOKEN: challenge.token,
      ACMECTL_KEY_AUTH: challenge.keyAuthorization,
      ACMECTL_ZONE: "example.test",
      ACMECTL_MINE: "wanted",
      CERTBOT_CONFIG: "theirs",
      CERTBOT_FROM: "config",
      CERTBOT_KEY: "from a reference",
    });
    expect(Object.keys(env).filter((name) => name.startsWith("ACMECTL_"))).toHaveLength(11);
  });

  it("has an empty ACMECTL_ZONE if no zone is found", async () => {
    const context = solverContext({ findZone });
    const made = await exec.create({ ...defaults, command: [recorder] }, context);
    await made.present(challengeFor("dns-01", "example.test"), call);
    expect((await recorded())[0]?.env["ACMECTL_ZONE"]).toBe("");
  });
});

describe("secrets in the output of a program", () => {
  const challenge = challengeFor("dns-01", "example.test");
  const says = async (text: string, more: Partial<Options> = {}) => {
    const log = recordingLog();
    const command = [await script("says", `#!/bin/sh\n${text}\nexit 1`)];
    const problem = await problemOf(
      (await solver({ command, ...more }, log)).present(challenge, call),
    );
    return { told: problem.message, logged: log.entries.map(({ message }) => message).join("\n") };
  };

  it.each([
    ["GD_Key", "gd-1a2b3c"],
    ["CF_Key", "c2547eb745079dac9320b638f5e225cf483cc5cfdda41"],
    ["LINODE_V4_API_KEY", "9f8e7d6c5b"],
    ["MYSQL_PWD", "Tr0ub4dor"],
    ["DBPWD2", "correct horse"],
    ["DNS_PASS", "hunter22"],
    ["SSHPASS", "battery"],
    ["GH_PAT", "ghp_16C7e42F292c"],
    ["INWX_Shared_Secret", "staple"],
    ["HE_Password", "p$ss.*w[rd"],
    ["KAS_Authdata", "kas-authdata"],
    ["OVH_CK", "MtSwSrPpNjqf"],
    ["DATABASE_URL", "postgres://dns:sw0rdf1sh@db.example.com/zones", "sw0rdf1sh"],
    ["https_proxy", "http://me:pr0xy@word@proxy.example.com:3128", "pr0xy@word"],
  ])("are masked in log lines and failures: %s", async (name, value, secret = value) => {
    vi.stubEnv(name, value);
    const { told, logged } = await says(`printf 'it is <%s>\\n' "$${name}"`);
    expect(told).toContain("***");
    expect(logged).toContain("***");
    expect(told + logged).not.toContain(secret);
  });

  it("do not include folders, paths and short words", async () => {
    const open = { OLDPWD: "/var/lib/before", A_PATH: "/opt/a-path", DEBUG_KEY: "true" };
    for (const [name, value] of Object.entries(open)) vi.stubEnv(name, value);
    const { told } = await says('pwd; echo "$OLDPWD $A_PATH $DEBUG_KEY"', {
      directory: folder.path,
    });
    expect(told).toContain(`${folder.path}\n/var/lib/before /opt/a-path true`);
  });

  it("are masked before a long line is cut, and each line of a multi-line secret", async () => {
    const secrets = { LONG: "0123456789abcdefghij", PEM: "-----BEGIN-----\r\nMIIEvQIBADAN\r\n" };
    const { told, logged } = await says(`printf '%0990d' 0; echo "$LONG $LONG"; echo "$PEM"`, {
      secrets,
    });
    expect(told + logged).not.toMatch(/0123456789|BEGIN|MIIE/);
    const encoded = await says(`printf %s "$LONG" | base64; echo "a%20b%2Fc"`, {
      secrets: { ...secrets, PATHLIKE: "a b/c" },
    });
    expect(encoded.told).not.toMatch(/MDEyMzQ1|a%20b/);
    const config = await says('echo "$NSONE_Key"', { env: { NSONE_Key: "in the config" } });
    expect(config.told).not.toContain("in the config");
  });
});

describe("sh", () => {
  it("runs only if `shell` is set, and then parses only the command", async () => {
    const hostile = challengeFor("dns-01", "example.test", {
      recordName: '$(touch "$PWNED");`id`',
    });
    vi.stubEnv("PWNED", at("pwned"));
    await presentAndCleanup({ command: [recorder, "$HOME; exit 9"] }, hostile);
    await presentAndCleanup({ command: [`"${recorder}" "$ACMECTL_ACTION"`], shell: true }, hostile);
    const words = (await recorded()).map((one) => one.words);
    expect(words[0]?.slice(0, 3)).toEqual(["$HOME; exit 9", "present", `${hostile.recordName}.`]);
    expect(words[2]?.slice(0, 3)).toEqual(["present", "present", `${hostile.recordName}.`]);
    await expect(access(at("pwned"))).rejects.toThrow("ENOENT");
  });
});

describe("a failing script", () => {
  const challenge = challengeFor("dns-01", "example.test");
  const failing = async (text: string, more: Partial<Options> = {}) =>
    problemOf(
      (await solver({ command: [await script("bad", text)], ...more })).present(challenge, call),
    );

  it("is reported with its last 20 lines of stdout and stderr", async () => {
    const problem = await failing(
      `#!/bin/sh
i=0; while [ $i -lt 100 ]; do echo "line $i"; i=$((i+1)); done
head -c 100000 /dev/zero | tr '\\0' x; echo
printf 'no newline at the end' >&2; exit 5`,
    );
    const lines = problem.message.split("\n");
    expect(lines).toHaveLength(21);
    expect(lines[1]).toBe("line 82");
    expect(problem.message).toContain("exit code 5");
    expect(problem.message).toContain("no newline at the end");
    expect(problem.message.length).toBeLessThan(3000);
    expect(problem.exitCode).toBe(7);
  });

  it.each([
    ["#!/bin/sh\nexit 126", /exit code 126[^]*noexec/],
    ["#!/bin/sh\nno-such-command-here", /exit code 127[^]*cron and systemd/],
    ["#!/no/such/interpreter\n", /was not found[^]*first line/],
    ["#!/bin/sh\nkill -9 $$", /was killed by SIGKILL and printed nothing/],
  ])("%j is explained", async (text, says) => {
    const problem = await failing(text);
    expect(`${problem.message}\n${problem.hint}`).toMatch(says);
  });

  it.runIf(process.geteuid?.() !== undefined)(
    "without execute permission runs after the command in the hint",
    async () => {
      const path = await script("plain", "#!/bin/sh\nexit 0");
      await chmod(path, 0o644);
      const problem = await problemOf((await solver({ command: [path] })).present(challenge, call));
      expect(problem.message).toContain("cannot be run by this user");
      runHint(problem.hint);
      await (await solver({ command: [path] })).present(challenge, call);
    },
  );

  it("that hangs is killed after the timeout, with its children", async () => {
    const problem = await failing(
      `#!/bin/sh
sleep 600 & echo $! > "${at("child.pid")}"
trap '' TERM
echo waiting; wait; sleep 600`,
      { timeout: 300 },
    );
    expect(problem.message).toContain(
      "did not finish within 0.3 s and was killed; its last output:\nwaiting",
    );
    const pid = Number(await readFile(at("child.pid"), "utf8"));
    await expect.poll(() => isAlive(pid)).toBe(false);
  });

  it("that prints without an end does not fill the log", async () => {
    const log = recordingLog();
    const command = [await script("chatty", "#!/bin/sh\nseq 1 20000; seq 1 20000 >&2")];
    await (await solver({ command }, log)).present(challenge, call);
    const lines = log.entries.filter(({ level }) => level === "info");
    expect(lines).toHaveLength(1_000);
    expect(lines.at(-1)?.message).toMatch(/prints more, which is not logged$/);
  });

  it("is killed when the run is aborted", async () => {
    const aborting = new AbortController();
    const command = [
      await script("slow", `#!/bin/sh\necho $$ > "${at("slow.pid")}"; exec sleep 600`),
    ];
    const presenting = (await solver({ command })).present(challenge, aborting);
    const pid = await expect
      .poll(async () => Number(await readFile(at("slow.pid"), "utf8").catch(() => "")))
      .toBeGreaterThan(0)
      .then(async () => Number(await readFile(at("slow.pid"), "utf8")));
    aborting.abort(new Error("Ctrl-C"));
    await expect(presenting).rejects.toThrow("Ctrl-C");
    await expect.poll(() => isAlive(pid)).toBe(false);
  });

  it.each<[string, Partial<Options>, RegExp]>([
    ["a working directory that is a file", { directory: "/etc/passwd" }, /ENOTDIR|not found/],
    ["variables that are too long", { env: { LONG: "x".repeat(200_000) } }, /too long arguments/],
    ["a null byte in a secret", { secrets: { KEY: "a\u0000b" } }, /null byte/],
  ])("with %s is a Problem", async (_, more, says) => {
    expect((await failing("#!/bin/sh\nexit 0", more)).message).toMatch(says);
  });

  it.each([
    ["/nowhere/at/all", /does not exist/],
    ["/etc/passwd", /is not a folder/],
  ])("in the directory %s is found before anything runs", async (directory, says) => {
    const { identifier, wildcard, validationName, recordName } = challenge;
    const made = await solver({ command: ["/bin/true"], directory });
    const problem = await problemOf(
      made.preflight?.([{ identifier, wildcard, validationName, recordName }], call),
    );
    expect(problem.message).toMatch(says);
    expect(problem.is("config")).toBe(true);
  });

  it("that is slow is reported while it runs", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    try {
      const log = recordingLog();
      const command = [await script("slow-start", "#!/bin/sh\nexec sleep 600")];
      const aborting = new AbortController();
      const presenting = (await solver({ command }, log)).present(challenge, aborting);
      await sleep(100);
      vi.advanceTimersByTime(30_000);
      expect(log.entries.map(({ message }) => message)).toEqual([
        `${command[0]} (present) has been running for 15 s of 20 s`,
        `${command[0]} (present) has been running for 30 s of 20 s`,
      ]);
      aborting.abort(new Error("Ctrl-C"));
      await expect(presenting).rejects.toThrow("Ctrl-C");
    } finally {
      vi.useRealTimers();
    }
  });

  it("that leaves a background process does not delay the run", async () => {
    const pidFile = at("left.pid");
    const command = [
      await script("daemon", `#!/bin/sh\nsleep 600 & echo $! > "${pidFile}"\nexit 0`),
    ];
    await (await solver({ command })).present(challenge, call);
    process.kill(Number(await readFile(pidFile, "utf8")));
  });
});

describe("several records", () => {
  const overlap = `#!/bin/sh
mkdir "$LOCK/$2" || exit 3
[ "$(ls "$LOCK" | wc -l)" -le "$MOST" ] || exit 4
sleep 0.05
rmdir "$LOCK/$2"`;

  it.each([1, 3])("are worked on %i at a time, with one call per record", async (parallel) => {
    await rm(at("lock"), { recursive: true, force: true });
    await mkdir(at("lock"));
    const made = await solver({
      command: [await script("overlap", overlap)],
      env: { LOCK: at("lock"), MOST: String(parallel) },
      parallel,
    });
    const challenges = ["a.test", "a.test", "b.test", "c.test", "d.test", "a.test"].map((name) =>
      challengeFor("dns-01", name),
    );
    await Promise.all(challenges.map((challenge) => made.present(challenge, call)));
  });

  it("that wait for their turn are dropped when the run is aborted", async () => {
    const aborting = new AbortController();
    const made = await solver({ command: ["sleep", "600"], style: "template" });
    const all = ["a.test", "b.test"].map((name) =>
      made.present(challengeFor("dns-01", name), aborting),
    );
    await sleep(20);
    aborting.abort(new Error("Ctrl-C"));
    const outcomes = await Promise.allSettled(all);
    expect(outcomes).toMatchObject(all.map(() => ({ reason: { message: "Ctrl-C" } })));
  });
});

describe("acmectl with the exec solver", () => {
  it("reads lego's variables and secrets by reference, and masks them", async () => {
    await using state = await temporaryFolder();
    const command = await script("leaky", '#!/bin/sh\necho "key $MY_KEY"; exit 1\n');
    const config = join(state.path, "config.yaml");
    await writeFile(
      config,
      `solvers:\n  own:\n    use: exec\n    secrets: { MY_KEY: "env:VAULT_KEY" }\n`,
    );
    await chmod(config, 0o600);
    const words = ["solvers", "test", "own", "-d", "example.test", "--dns-cname", "none"];
    const place = ["--config", config, "--state", join(state.path, "state"), "-v"];
    const { code, stdout, stderr } = await run([...words, ...place], {
      env: { EXEC_PATH: command, VAULT_KEY: "correct-horse-battery" },
    });
    expect(stderr).toContain("key ***");
    expect(stdout + stderr).not.toContain("correct-horse-battery");
    expect(code).toBe(7);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
