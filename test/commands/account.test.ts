import { createPrivateKey } from "node:crypto";
import { access, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Problem } from "../../src/problem.ts";
import type { Fault } from "../../src/testing.ts";
import { run, type RunOptions } from "../support/run.ts";
import { startIssuing, type Issuing } from "../support/issuing.ts";

const name = "a.example.test";
const kinds = (issuing: Issuing, from = 0) =>
  issuing.ca.requests.slice(from).map(({ kind }) => kind);

/** `account …` at this CA; in another state folder than usual where one is given. */
function account(
  issuing: Issuing,
  words: string,
  { state = issuing.state, ...options }: RunOptions & { state?: string } = {},
) {
  const ca = issuing.words.slice(0, 4);
  const env = { HOME: issuing.state };
  return run(["account", ...words.split(" "), ...ca, "--state", state], { env, ...options });
}

/** The folder of the only account. */
async function folderOf({ state }: Issuing): Promise<string> {
  const accounts = join(state, "accounts");
  const [directory = ""] = await readdir(accounts);
  const [id = ""] = await readdir(join(accounts, directory));
  return join(accounts, directory, id);
}

async function recordOf(issuing: Issuing) {
  const folder = await folderOf(issuing);
  return JSON.parse(await readFile(join(folder, "account.json"), "utf8"));
}

async function registered(more: Parameters<typeof startIssuing>[0] = {}) {
  const issuing = await startIssuing({ authorizationReuse: 0, ...more });
  const made = await account(issuing, "register --agree-tos -m ops@example.com");
  expect(made.code).toBe(0);
  return issuing;
}

test.each(["2099-02-30", "2099", "5", "1.2.2099", "soon", "-1d"])(
  "account persist refuses --until %s, which is neither a time from now nor a date",
  async (until) => {
    const words = ["account", "persist", "-d", "a.test", "--server", "local", `--until=${until}`];
    const { code, stderr } = await run(words);
    expect(code).toBe(2);
    expect(stderr).toContain(`--until: "${until}" is not a time in the future`);
  },
);

describe("account update", () => {
  test("account update sends the new address to the CA and stores the answer", async () => {
    await using issuing = await registered();
    const ran = await account(issuing, "update -m one@example.com");
    expect(ran.stderr).toBe("");
    expect(ran.code).toBe(0);
    const sent = issuing.ca.requests.findLast(({ kind }) => kind === "account")?.payload;
    const contact = ["mailto:one@example.com"];
    expect(sent).toEqual({ contact });
    expect((await recordOf(issuing)).contact).toEqual(contact);
    expect((await account(issuing, "update --remove-email")).code).toBe(0);
    expect((await recordOf(issuing)).contact).toEqual([]);
  });

  test.each(["update", "update -m a@example.com --remove-email"])(
    "account %s is refused, since it must give either a new address or none",
    async (words) => {
      await using issuing = await registered();
      const { code, stderr } = await account(issuing, words);
      expect(code).toBe(2);
      expect(stderr).toContain("--remove-email");
    },
  );

  test("account update without an account suggests account register", async () => {
    await using issuing = await startIssuing();
    const { code, stderr } = await account(issuing, "update -m a@example.com");
    expect(code).toBe(2);
    expect(stderr).toContain("acmectl account register");
  });
});

describe("account rollover", () => {
  test("account rollover changes the key of the account, and certificates are issued with it", async () => {
    await using issuing = await registered();
    const folder = await folderOf(issuing);
    const [before, url] = [
      await readFile(join(folder, "key.pem"), "utf8"),
      (await recordOf(issuing)).url,
    ];
    const ran = await account(issuing, "rollover");
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(await readFile(join(folder, "key.pem"), "utf8")).not.toBe(before);
    expect((await readdir(folder)).toSorted()).toEqual(["account.json", "key.pem"]);
    expect((await recordOf(issuing)).url).toBe(url);
    const from = issuing.ca.requests.length;
    expect((await issuing.issue(["-d", name])).code).toBe(0);
    expect(kinds(issuing, from)).not.toContain("newAccount");
  });

  const uses: [string, (issuing: Issuing) => Promise<{ code: number; stderr: string }>][] = [
    ["issue", (issuing) => issuing.issue(["-d", name])],
    ["account show", (issuing) => account(issuing, "show")],
    ["account update", (issuing) => account(issuing, "update -m a@example.com")],
    ["account rollover", (issuing) => account(issuing, "rollover")],
  ];

  test.each(
    uses.flatMap(
      ([what, use]) =>
        [
          ["before", what, use],
          ["after", what, use],
        ] as const,
    ),
  )(
    "after a rollover that was cut off %s the CA changed the key, %s finds out which key is valid",
    async (phase, _, use) => {
      await using issuing = await registered();
      const folder = await folderOf(issuing);
      const old = await readFile(join(folder, "key.pem"), "utf8");
      issuing.ca.faults.add({ on: "keyChange", phase, do: { destroy: true } });
      const cut = await account(issuing, "rollover");
      expect(cut.code).toBe(4);
      expect(cut.stderr).toContain("the next run will check");
      const next = await readFile(join(folder, "key.next.pem"), "utf8");
      const exported = await account(issuing, "export");
      expect(exported.code).toBe(2);
      expect(exported.stdout).toBe("");

      const { code, stderr } = await use(issuing);
      expect(stderr).not.toContain("Hint");
      expect(code).toBe(0);
      expect(await readdir(folder)).not.toContain("key.next.pem");
      const key = await readFile(join(folder, "key.pem"), "utf8");
      if (phase === "after") expect(key).toBe(next);
      else if (use !== uses[3]?.[1]) expect(key).toBe(old);
      else expect([old, next]).not.toContain(key);
      expect(kinds(issuing).filter((kind) => kind === "newOrder").length).toBeLessThan(2);
      expect((await account(issuing, "show")).code).toBe(0);
    },
  );

  test("account rollover changes nothing when the CA refuses", async () => {
    await using issuing = await registered();
    const folder = await folderOf(issuing);
    const old = await readFile(join(folder, "key.pem"), "utf8");
    const problem = { type: "badPublicKey", detail: "not that one" };
    issuing.ca.faults.add({ on: "keyChange", do: { status: 400, problem } });
    const { code, stderr } = await account(issuing, "rollover");
    expect(code).toBe(5);
    expect(stderr).toContain("not that one");
    expect(await readFile(join(folder, "key.pem"), "utf8")).toBe(old);
    expect(await readdir(folder)).not.toContain("key.next.pem");
  });

  test("account rollover keeps both keys when it is interrupted", async () => {
    await using issuing = await registered();
    const stop = new AbortController();
    const interrupted = new Problem("interrupted", { detail: "stopped by SIGINT" });
    issuing.ca.faults.add({
      on: "keyChange",
      phase: "after",
      do: { call: () => stop.abort(interrupted), delay: 50 },
    });
    const { code } = await account(issuing, "rollover", { signal: stop.signal });
    expect(code).toBe(130);
    expect(await readdir(await folderOf(issuing))).toContain("key.next.pem");
    expect((await issuing.issue(["-d", name])).code).toBe(0);
  });

  test("account rollover keeps both keys when a web page answers, since the CA may have the new one", async () => {
    await using issuing = await registered();
    const page = { status: 403, body: "<html>blocked</html>", contentType: "text/html" };
    issuing.ca.faults.add({ on: "keyChange", phase: "after", do: page });
    expect((await account(issuing, "rollover")).code).toBe(4);
    expect(await readdir(await folderOf(issuing))).toContain("key.next.pem");
    expect((await issuing.issue(["-d", name])).code).toBe(0);
    expect(await readdir(await folderOf(issuing))).not.toContain("key.next.pem");
  });

  test("account rollover fails when the CA knows neither key", async () => {
    await using issuing = await registered();
    issuing.ca.faults.add({ on: "keyChange", phase: "after", do: { destroy: true } });
    await account(issuing, "rollover");
    const problem = { type: "accountDoesNotExist" };
    const fault = issuing.ca.faults.add({
      on: "newAccount",
      times: 99,
      do: { status: 400, problem },
    });
    const { code, stderr } = await issuing.issue(["-d", name]);
    expect(code).toBe(5);
    expect(stderr).toMatch(
      /acmectl account register --reregister --server \S+ --ca-bundle \S+ --agree-tos --state \S+$/m,
    );
    expect(await readdir(await folderOf(issuing))).toContain("key.next.pem");
    fault.remove();
    expect((await issuing.issue(["-d", name])).code).not.toBe(1);
  });
});

describe("account deactivate", () => {
  test("account deactivate asks for confirmation, and a new account then needs --reregister", async () => {
    await using issuing = await registered();
    const alone = await account(issuing, "deactivate");
    expect(alone.code).toBe(2);
    expect(alone.stderr).toContain("--yes");
    const declined = await account(issuing, "deactivate", { terminal: true, stdin: "n\n" });
    expect(declined.code).toBe(2);
    const told = () =>
      issuing.ca.requests.filter(({ payload }) => JSON.stringify(payload)?.includes("deactivated"));
    expect(told()).toEqual([]);
    expect((await account(issuing, "deactivate", { terminal: true, stdin: "y\n" })).code).toBe(0);
    expect(told()).toHaveLength(1);
    expect((await recordOf(issuing)).status).toBe("deactivated");

    const again = await account(issuing, "deactivate --yes");
    expect(again.code).toBe(2);
    expect(again.stderr).toContain("is deactivated");
    const refused = await issuing.issue(["-d", name]);
    expect(refused.code).toBe(5);
    expect(refused.stderr).toContain("--reregister");
    expect((await account(issuing, "register --agree-tos --reregister")).code).toBe(0);
    expect((await issuing.issue(["-d", name])).code).toBe(0);
  });
});

/** Runs the command lines at the end of a hint, exactly as they are printed; a person would confirm them. */
async function followHint(issuing: Issuing, { stderr }: { stderr: string }) {
  const [line = ""] = /acmectl account (?!list)[a-z]+ --.*$/m.exec(stderr) ?? [];
  const codes: number[] = [];
  for (const command of line.split(" && ")) {
    const words = command.split(" ").slice(1);
    const confirmed = words.includes("deactivate") ? [...words, "--yes"] : words;
    const { code } = await run(confirmed, { env: { HOME: issuing.state } });
    codes.push(code);
  }
  return codes;
}

test("the commands in the hints of account commands work when they are pasted", async () => {
  await using issuing = await startIssuing();
  const none = await account(issuing, "show");
  expect(none.code).toBe(2);
  expect(await followHint(issuing, none)).toEqual([0]);
  expect((await account(issuing, "deactivate --yes")).code).toBe(0);
  const ended = await account(issuing, "deactivate --yes");
  expect(ended.code).toBe(2);
  expect(await followHint(issuing, ended)).toEqual([0]);
  expect((await account(issuing, "show")).code).toBe(0);
});

describe("the command in the hint for an error of the CA works when it is pasted", () => {
  test("for an account that the CA has forgotten", async () => {
    await using issuing = await registered();
    const problem = { type: "accountDoesNotExist", detail: "no such account" };
    issuing.ca.faults.add({ on: "newOrder", do: { status: 400, problem } });
    const failed = await issuing.issue(["-d", name]);
    expect(failed.code).toBe(5);
    expect(await followHint(issuing, failed)).toEqual([0]);
    expect(kinds(issuing).filter((kind) => kind === "newAccount")).toHaveLength(2);
  });

  test("for an account that is not authorized", async () => {
    await using issuing = await registered();
    const problem = { type: "unauthorized", detail: "not you" };
    issuing.ca.faults.add({ on: "newOrder", do: { status: 403, problem } });
    const failed = await issuing.issue(["-d", name]);
    expect(failed.code).toBe(5);
    expect(failed.stderr).toContain("acmectl account show");
    expect(await followHint(issuing, failed)).toEqual([0]);
  });

  test.each([
    [
      "does not implement",
      { on: "keyChange", do: { status: 501, problem: { type: "malformed" } } },
    ],
    [
      "does not offer",
      { on: "directory", times: 2, do: { mutate: (json) => ({ ...json, keyChange: undefined }) } },
    ],
  ] satisfies [string, Fault][])("for a CA that %s key changes", async (_, fault) => {
    await using issuing = await registered();
    const { url } = await recordOf(issuing);
    issuing.ca.faults.add(fault);
    const failed = await account(issuing, "rollover");
    expect(failed.code).toBe(5);
    expect(await followHint(issuing, failed)).toEqual([0, 0]);
    const shown = await account(issuing, "show --json");
    expect(JSON.parse(shown.stdout).account.url).not.toBe(url);
  });
});

describe("a CA that has forgotten the account", () => {
  test("an account that the CA has forgotten is registered again only with --reregister", async () => {
    await using issuing = await registered();
    const folder = await folderOf(issuing);
    const key = await readFile(join(folder, "key.pem"), "utf8");
    await writeFile(
      join(folder, "account.json"),
      JSON.stringify({
        ...(await recordOf(issuing)),
        url: issuing.ca.directoryUrl.replace("directory", "account/lost"),
      }),
    );
    const failed = await issuing.issue(["-d", name]);
    expect(failed.code).toBe(5);
    expect(failed.stderr).toContain(
      `acmectl account register --reregister --server ${issuing.ca.directoryUrl} --ca-bundle `,
    );
    const plain = await account(issuing, "register --agree-tos");
    expect(plain.code).toBe(5);
    expect(kinds(issuing).filter((kind) => kind === "newAccount")).toHaveLength(1);

    expect(await followHint(issuing, failed)).toEqual([0]);
    expect(await readFile(join(folder, "key.pem"), "utf8")).toBe(key);
    expect((await recordOf(issuing)).url).not.toContain("lost");
    expect((await issuing.issue(["-d", name, "--force"])).code).toBe(0);
  });
});

describe("account export and import", () => {
  test.each(["pem", "jwk", "json"])(
    "account export and import as %s move an account to another state folder",
    async (format) => {
      await using issuing = await registered();
      const file = join(issuing.state, `../account.${format}`);
      const ran = await account(issuing, `export --format ${format} --output ${file}`);
      expect(ran.code).toBe(0);
      expect(ran.stderr).toContain("secret");
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      const over = await account(issuing, `export --output ${file}`);
      expect(over.code).toBe(2);

      const other = join(issuing.state, "../other");
      const moved = await account(issuing, `import ${file}`, { state: other });
      expect(moved.stderr).toBe("");
      const { url } = await recordOf(issuing);
      expect(moved.stdout).toContain(`Imported ${url}`);
      const shown = await account(issuing, `show --json`, { state: other });
      expect(JSON.parse(shown.stdout).account).toMatchObject({ url, status: "valid" });
      const again = await account(issuing, `import ${file} --json`, { state: other });
      expect(JSON.parse(again.stdout).outcome).toBe("unchanged");
      const made = kinds(issuing).filter((kind) => kind === "newAccount").length;
      expect(made).toBe(3);
    },
  );

  test("account export prints only the key, so that it can be piped", async () => {
    await using issuing = await registered();
    const { stdout } = await account(issuing, "export -q");
    expect(createPrivateKey(stdout).type).toBe("private");
    const other = join(issuing.state, "../other");
    const moved = await account(issuing, `import -`, { stdin: stdout, state: other });
    expect(moved.code).toBe(0);
    const document = JSON.parse((await account(issuing, "export --json")).stdout);
    expect(document.account).toMatchObject({ key: stdout, status: "valid" });
  });

  test("an imported account is used from then on, before another one", async () => {
    await using issuing = await registered();
    const other = join(issuing.state, "../other");
    await account(issuing, "register --agree-tos", { state: other });
    const exported = await account(issuing, `export`, { state: other });
    const imported = await account(issuing, "import - --json", { stdin: exported.stdout });
    const { account: chosen } = JSON.parse(imported.stdout);
    const shown = JSON.parse((await account(issuing, "show --json")).stdout);
    expect(shown.account.url).toBe(chosen.url);
    await issuing.issue(["-d", name]);
    const kid = issuing.ca.requests.findLast(({ kind }) => kind === "newOrder")?.protected?.["kid"];
    expect(kid).toBe(chosen.url);
  });

  test.each([
    ["no key at all", "hello", /private key/],
    ["no JSON", "{ nothing", /neither PEM nor JSON/],
    ["a key in JSON that is none", '{"kty":"EC"}', /JSON Web Key/],
  ])("account import refuses %s without repeating it", async (_, stdin, message) => {
    await using issuing = await startIssuing();
    const { code, stderr } = await account(issuing, "import -", { stdin });
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain(stdin);
  });

  test("account import refuses a key that the CA does not know", async () => {
    await using issuing = await registered();
    await using elsewhere = await registered();
    const { stdout } = await account(elsewhere, "export -q");
    const { code, stderr } = await account(issuing, "import -", { stdin: stdout });
    expect(code).toBe(5);
    expect(stderr).toContain("--account-key");
    expect(await readdir(join(issuing.state, "accounts"))).toHaveLength(1);
  });
});

test.each(["persist -d example.com", "rollover"])(
  "account %s with a new key file and no account leaves no file behind",
  async (words) => {
    await using issuing = await startIssuing();
    const key = join(issuing.state, "..", "new.pem");
    const { code, stderr } = await account(issuing, `${words} --new-key ${key}`);
    expect([code, stderr]).toEqual([2, expect.stringContaining("There is no account with")]);
    await expect(access(key)).rejects.toThrow(/ENOENT/);
    expect(issuing.ca.requests).toEqual([]);
  },
);
