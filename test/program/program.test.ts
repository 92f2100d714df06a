import { describe, expect, test } from "vitest";
import { type CommandDefinition, defineCommand } from "../../src/commands/command.ts";
import { allCommands, commandSource } from "../../src/commands/definitions.ts";
import type { Context } from "../../src/context.ts";
import type { OptionDeclarations } from "../../src/options/declaration.ts";
import type { SolverPlugin } from "../../src/plugin.ts";
import { describeOption } from "../../src/options/describe.ts";
import { globalOptions } from "../../src/options/declared/global.ts";
import { Problem } from "../../src/problem.ts";
import type { Replacements } from "../../src/program/execute.ts";
import { commandsOf, run, type RunOptions } from "../support/run.ts";

/** What the commands of this test were given, as their result. */
async function seen(options: unknown, context: Context) {
  const { args, solverFlags } = context;
  return {
    exitCode: 0,
    document: { outcome: "done", options, args, solverFlags },
    view: [],
  } as const;
}

const issue = defineCommand({
  name: "issue",
  summary: "Get a certificate",
  description: "The request is remembered.",
  options: {
    domains: {
      type: "list",
      short: "d",
      aliases: ["domain"],
      placeholder: "NAME",
      description: "A name.",
    },
    keyType: {
      type: "string",
      choices: ["ec256", "rsa2048"],
      default: "ec256",
      aliases: ["keylength"],
      placeholder: "TYPE",
      description: "Kind of the private key.",
    },
    selfCheck: { type: "boolean", default: true, description: "Look first." },
    noWait: { type: "boolean", description: "Do not wait." },
    labels: { type: "map", description: "Labels." },
    hook: { type: "list", verbatim: true, description: "A command." },
    token: { type: "string", secret: true, description: "A secret of the command." },
    solver: { type: "list", placeholder: "NAME", description: "Who proves it.", group: "Proof:" },
    dns: { type: "string", hidden: true, description: "A solver." },
    tlsAlpn: { type: "boolean", hidden: true, aliases: ["tls"], description: "A solver." },
    standalone: {
      type: "boolean",
      description: "The same as --solver standalone.",
      group: "Proof:",
    },
    webroot: {
      type: "path",
      short: "w",
      description: "The same as --solver webroot.",
      group: "Proof:",
    },
  },
  solverFlags: true,
  examples: ["acmectl issue -d example.com --standalone"],
  run: seen,
});
const register = defineCommand({
  name: "account register",
  summary: "Make an account",
  options: { email: { type: "string", short: "m", description: "Where the CA may reach you." } },
  run: seen,
});
const show = defineCommand({
  name: "account show",
  summary: "Show the account",
  arguments: [{ usage: "[id]", description: "Which." }],
  options: {},
  run: seen,
});
const solversTest = defineCommand({
  name: "solvers test",
  summary: "Try a solver",
  arguments: [{ usage: "<name>", description: "The solver." }],
  options: {},
  solverFlags: true,
  run: seen,
});

const plugins: Record<string, SolverPlugin> = {
  cloudflare: plugin({
    ttl: { type: "integer", description: "Seconds." },
    apiToken: {
      type: "string",
      secret: true,
      required: true,
      env: ["CF_DNS_API_TOKEN"],
      description: "A token.",
    },
  }),
  standalone: plugin({ port: { type: "port", default: 80, description: "Where to listen." } }),
  "tls-alpn": plugin({ port: { type: "port", default: 443, description: "Where to listen." } }),
  webroot: plugin({
    directory: { type: "path", required: true, description: "The root." },
    chown: { type: "boolean", description: "Give it away." },
  }),
};

function plugin(options: OptionDeclarations): SolverPlugin {
  return {
    summary: "For this test",
    challengeTypes: ["http-01"],
    options,
    create: () => ({ present: async () => null, cleanup: async () => {} }),
  };
}

const parts: Replacements = {
  ...commandsOf(issue, register, show, solversTest),
  loadSolver: async (name) => {
    const found = plugins[name];
    if (found !== undefined) return { plugin: found, name };
    throw new Problem("plugin", { detail: `There is no solver called ${name}.` });
  },
};

const acmectl = async (line: string | readonly string[], more: RunOptions = {}) =>
  run(line, { parts, ...more });

interface Given {
  command: string;
  options: Record<string, unknown>;
  args: readonly string[];
  solverFlags: Record<string, Record<string, unknown>>;
}

/** The document that the command printed: what it was given. */
async function given(line: string | readonly string[], more: RunOptions = {}) {
  const words = typeof line === "string" ? `${line} --json` : [...line, "--json"];
  const { code, stdout, stderr } = await acmectl(words, more);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  return JSON.parse(stdout) as Given;
}

const flags = async (line: string) => (await given(line)).options;

/** What was said of a refusal; nothing goes to stdout. */
async function refused(line: string | readonly string[], more: RunOptions = {}) {
  const { code, stdout, stderr } = await acmectl(line, more);
  expect(code).toBe(2);
  expect(stdout).toBe("");
  return stderr.trim();
}

describe("what is typed reaches the command", () => {
  test("a list may be repeated or separated by commas, by every alias", async () => {
    const { options } = await given(
      "issue -d a.example.com --domain b.example.com,c.example.com --domains=d.example.com",
    );
    expect(options["domains"]).toEqual([
      "a.example.com",
      "b.example.com",
      "c.example.com",
      "d.example.com",
    ]);
  });

  test("the value of a flag may have commas, blanks and dashes", async () => {
    const { options } = await given([
      "issue",
      "--hook",
      "cp a,b /srv",
      "--hook=-x --json",
      "--labels",
      "note=a,b",
    ]);
    expect(options["hook"]).toEqual(["cp a,b /srv", "-x --json"]);
    expect(options["labels"]).toEqual({ note: "a,b" });
  });

  test("a boolean flag has a negative form, and the last one typed counts", async () => {
    expect(await flags("issue")).toMatchObject({ selfCheck: true });
    expect(await flags("issue --no-self-check")).toMatchObject({ selfCheck: false });
    expect(await flags("issue --no-self-check --self-check")).toMatchObject({ selfCheck: true });
    expect(await flags("issue --no-wait --standalone")).toMatchObject({
      noWait: true,
      standalone: true,
    });
    expect(await flags("issue --standalone --no-standalone")).toMatchObject({ standalone: false });
  });

  test("a variable gives the value of a flag, unless the flag is typed", async () => {
    const env = {
      ACMECTL_DOMAINS: "a.example.com,b.example.com",
      ACMECTL_KEY_TYPE: "rsa2048",
      ACMECTL_SELF_CHECK: "no",
    };
    expect((await given("issue --keylength ec256", { env })).options).toMatchObject({
      domains: ["a.example.com", "b.example.com"],
      keyType: "ec256",
      selfCheck: false,
    });
  });

  test("global options may be typed before a command, after it, and between its words", async () => {
    for (const line of [
      "--json account show x",
      "account --json show x",
      "account show x --json",
    ]) {
      const { stdout } = await acmectl(line);
      expect(JSON.parse(stdout)).toMatchObject({ command: "account show", args: ["x"] });
    }
    const { command } = await given("--config issue account register");
    expect(command).toBe("account register");
  });

  test("only the file of the typed command is loaded", async () => {
    const loaded: string[] = [];
    const commands = commandsOf(issue, register, show, solversTest).commands!;
    const load = async (name: string) => {
      loaded.push(name);
      return commands.load(name);
    };
    const counting = { ...parts, commands: { ...commands, load } };
    await acmectl("account show", { parts: counting });
    expect(loaded.splice(0)).toEqual(["account show"]);
    await acmectl("account", { parts: counting });
    await acmectl("--help", { parts: counting });
    expect(loaded.splice(0)).toEqual([]);
    expect((await acmectl("-- account show", { parts: counting })).code).toBe(0);
    expect(loaded).toEqual(["account show"]);
  });
});

describe("the flags of the chosen solvers belong to the command", () => {
  test.each([
    ["issue --solver cloudflare --cloudflare-ttl 60", { cloudflare: { ttl: "60" } }],
    ["issue --cloudflare-ttl 60 --solver cloudflare", { cloudflare: { ttl: "60" } }],
    ["issue --dns cloudflare --cloudflare-ttl 60", { cloudflare: { ttl: "60" } }],
    ["issue --standalone --standalone-port 8080", { standalone: { port: "8080" } }],
    ["issue --standalone", { standalone: {} }],
    ["issue --tls --tls-alpn-port 8443", { "tls-alpn": { port: "8443" } }],
    ["issue -w /srv/www --webroot-chown", { webroot: { chown: true } }],
    [
      "issue --solver example.com=cloudflare,standalone --cloudflare-ttl 60 --standalone-port 1",
      { cloudflare: { ttl: "60" }, standalone: { port: "1" } },
    ],
    ["solvers test cloudflare --cloudflare-ttl 60", { cloudflare: { ttl: "60" } }],
  ])("%s", async (line, solverFlags) => {
    expect((await given(line)).solverFlags).toEqual(solverFlags);
  });

  test("a solver chosen by variable has flags too, and their paths become absolute", async () => {
    const line = "issue --webroot-directory ./www";
    const from = { env: { ACMECTL_SOLVER: "webroot" }, cwd: "/srv" };
    expect((await given(line, from)).solverFlags).toEqual({
      webroot: { directory: "/srv/www" },
    });
  });

  test("the flags of a solver that was not chosen are unknown, and an unknown solver is reported before its flag", async () => {
    expect(await refused("issue --cloudflare-ttl 60")).toMatch(/Unknown option '--cloudflare-ttl'/);
    expect(await refused("issue --standalone-port 81")).toMatch(
      /Choose the solver too: --solver standalone\. Run `acmectl solvers show standalone`/,
    );
    expect(await refused("issue --solver cloudflare --cloudflare-zone example.com")).toMatch(
      /Run `acmectl solvers show cloudflare` to see its options/,
    );
    expect(await refused("issue --solver clodflare --clodflare-ttl 60")).toMatch(
      /There is no solver called clodflare/,
    );
  });

  test("the flags of a solver of the config are not known to the command line", async () => {
    expect((await given("issue --solver cf")).options).toMatchObject({ solver: ["cf"] });
  });

  test("a flag for a secret is refused with a hint", async () => {
    expect(await refused("issue --solver cloudflare --cloudflare-api-token t0ken"))
      .toMatchInlineSnapshot(`
        "Wrong usage: --cloudflare-api-token is not a flag: other users could see the secret in ps.
        Hint: Set ACMECTL_CLOUDFLARE_API_TOKEN, or CF_DNS_API_TOKEN, or ACMECTL_CLOUDFLARE_API_TOKEN_FILE, or apiToken in the config."
      `);
    expect(await refused("issue --token=t0ken")).not.toMatch(/t0ken/);
  });
});

describe("a usage error is one line and a hint, with exit code 2 and an empty stdout", () => {
  test.each([
    ["an unknown command", "isue -d example.com"],
    ["an unknown sub-command", "account regster"],
    ["an unknown option", "issue --domians example.com"],
    ["an option without its value", "issue --domains"],
    ["an option whose value is the next option", "issue --domains --standalone"],
    ["a boolean with a value", "issue --standalone=yes"],
    ["a boolean of every command with a value", "issue --json=yes"],
    ["a missing argument", "solvers test"],
    ["an argument too many", "account show a b"],
    ["names behind -d without commas", "issue -d a.example b.example"],
    ["a choice that is none", "issue --key-type ec512"],
    ["two values for one", "issue --key-type ec256 --key-type rsa2048"],
    ["an empty value", 'issue --dns ""'],
    ["a bad log format", "issue --log-format xml"],
    ["loud and silent", "issue -q -v"],
  ])("%s", async (_, line) => {
    expect(await refused(line)).toMatchSnapshot();
  });

  test("with --json a usage error is one document on stdout", async () => {
    const { code, stdout } = await acmectl("issue --bogus --json");
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      outcome: "failed",
      problem: { code: 2, title: "Wrong usage" },
    });
    const byVariable = await acmectl("bogus", { env: { ACMECTL_JSON: "1" } });
    expect(JSON.parse(byVariable.stdout)).toMatchObject({ outcome: "failed" });
  });

  test.each([
    ["issue --bogus --log-format json", {}],
    ["issue --log-format=json --bogus", {}],
    ["bogus", { ACMECTL_LOG_FORMAT: "json" }],
    ["issue --log-format json --key-type ec512", {}],
    ["issue --log-format json -q -v", {}],
  ])("with JSON events the usage error of `%s` is one event on stderr", async (line, env) => {
    const { code, stdout, stderr } = await acmectl(line, { env });
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(JSON.parse(stderr)).toMatchObject({
      level: "error",
      problem: { code: 2, type: "urn:acmectl:problem:usage" },
    });
  });
});

describe("help", () => {
  test("acmectl alone lists the commands", async () => {
    const { code, stdout, stderr } = await acmectl("");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatchInlineSnapshot(`
      "Usage: acmectl [options] [command]

      Get TLS certificates from any ACME certificate authority (RFC 8555) and renew them.

      Options:
        -V, --version  Print the versions of acmectl and Node.js.
        -h, --help     Show this help.

      Commands:
        account        register · show
        issue          Get a certificate
        solvers        test
        help           Show help for a command; help exit-codes lists the exit codes.

      Options of every command: --config, --state, --state-key, --state-unencrypted, --state-files, --json, --log-format, --quiet, --verbose, --non-interactive, --color (see acmectl issue --help).
      Exit codes: acmectl help exit-codes
      "
    `);
    expect((await acmectl("--help")).stdout).toBe(stdout);
    expect((await acmectl("help")).stdout).toBe(stdout);
  });

  test("a command's help shows its options by group, and hides aliases", async () => {
    const { code, stdout } = await acmectl("issue --help", { columns: 80 });
    expect(code).toBe(0);
    expect(stdout).toMatchInlineSnapshot(`
      "Usage: acmectl issue [options]

      Get a certificate

      The request is remembered.

      Options:
        -d, --domains <NAME>     A name.
        --key-type <TYPE>        Kind of the private key (ec256 | rsa2048; default:
                                 ec256).
        --no-self-check          Do not look first.
        --no-wait                Do not wait.
        --labels <KEY=VALUE>     Labels.
        --hook <LIST>            A command.

      Proof:
        --solver <NAME>          Who proves it.
        --standalone             The same as --solver standalone.
        -w, --webroot <PATH>     The same as --solver webroot.

      Options of every command:
        --config <FILE>          Config file; /etc/acmectl/config.yaml for root, else
                                 in the XDG config folder.
        --state <PLACE>          Folder, postgres:// or s3:// URL of the state;
                                 /var/lib/acmectl for root, else XDG.
        --state-key <REFERENCE>  Keys that encrypt private keys in a shared state; the
                                 first encrypts.
        --state-unencrypted      Allow private keys in a shared state that are not
                                 encrypted.
        --state-files <DIR>      Folder for this host's files of certificates in a
                                 shared state.
        --json                   Print one JSON document on stdout.
        --log-format <FORMAT>    Format of events on stderr; json prints one object
                                 per line (text | json; default: text).
        -q, --quiet              Print failures only, with the warnings before them.
        -v, --verbose            Print requests, DNS checks and causes of failures.
        -n, --non-interactive    Never prompt; implied by --json, CI, and without a
                                 terminal.
        --color                  Use colors, or not (--no-color), whatever the
                                 terminal and NO_COLOR say.
        -h, --help               Show this help.

      Set by variable only; with _FILE appended to its name, the value is read from a file:
        ACMECTL_TOKEN
            A secret of the command.

      Each option has a variable: --domains is ACMECTL_DOMAINS.

      For the options of a solver, add --help after --solver NAME, or run acmectl solvers show NAME.

      Examples:
        acmectl issue -d example.com --standalone
      "
    `);
    expect((await acmectl("help issue", { columns: 80 })).stdout).toBe(stdout);
    const unknown = await acmectl("issue --help", { columns: 0 });
    expect(unknown.stdout).toBe((await acmectl("issue --help", { columns: 100 })).stdout);
  });

  test("the options of a chosen solver are in the help of the command", async () => {
    const { stdout } = await acmectl("issue --solver cloudflare --help");
    expect(stdout).toMatch(
      /Options of the solver cloudflare:\n {2}--cloudflare-ttl <N> +Seconds\./,
    );
    expect(stdout).toMatch(/ACMECTL_CLOUDFLARE_API_TOKEN, CF_DNS_API_TOKEN\n +A token\./);
  });

  test("the help of a group lists its commands", async () => {
    const { code, stdout } = await acmectl("account");
    expect(code).toBe(0);
    expect(stdout).toMatch(/register +Make an account\n +show +Show the account/);
    expect((await acmectl("help account")).stdout).toBe(stdout);
  });

  test("help exit-codes lists the exit codes", async () => {
    const { stdout } = await acmectl("help exit-codes");
    expect(stdout).toMatch(/^ {4}5 {2}the CA refused the request$/m);
  });

  test("help for an unknown command is refused", async () => {
    expect(await refused("help isue")).toMatch(/Unknown command 'isue'/);
  });
});

const flagsOf = (command: CommandDefinition) =>
  Object.entries({ ...command.options, ...globalOptions }).map(([name, declaration]) =>
    describeOption(name, declaration),
  );

describe("the commands of acmectl itself", () => {
  test("every command has the name of its file", async () => {
    const source = commandSource();
    const names = await Promise.all(
      source.names.map(async (name) => (await source.load(name))?.name),
    );
    expect(names).toEqual(source.names);
  });

  test("no two options of a command share a flag or a variable", async () => {
    for (const command of await allCommands(commandSource())) {
      const described = flagsOf(command);
      const variables = described.map((option) => option.variables[0]);
      expect(variables.every((name) => /^ACMECTL_[A-Z0-9_]+$/.test(name ?? ""))).toBe(true);
      expect(new Set(variables).size, command.name).toBe(variables.length);
      const flags = described.flatMap(({ flag }) =>
        flag === undefined ? [] : [flag.long, flag.short ?? flag.long + flag.long, ...flag.aliases],
      );
      expect(new Set(flags).size, command.name).toBe(flags.length);
    }
  });

  test("every command has help", async () => {
    for (const { name } of await allCommands(commandSource())) {
      const { code, stdout, stderr } = await run(`${name} --help`);
      expect({ name, code, stderr }).toEqual({ name, code: 0, stderr: "" });
      expect(stdout).toMatch(new RegExp(`^Usage: acmectl ${name} `));
    }
  });
});
