import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createAccountKey } from "../../src/acme/keys.ts";
import { startIssuing } from "../support/issuing.ts";
import { run } from "../support/run.ts";
import { available } from "../support/servers/catalog.ts";
import { startPebble, type Pebble } from "../support/servers/pebble.ts";
import { acmectl } from "../support/spawn.ts";
import { temporaryFolder } from "../support/state.ts";

/** The folder of the only account. */
async function accountFolder(state: string): Promise<string> {
  const accounts = join(state, "accounts");
  const [directory = ""] = await readdir(accounts);
  const [id = ""] = await readdir(join(accounts, directory));
  return join(accounts, directory, id);
}

describe("a rollover that is killed", () => {
  test.each(["before", "after"] as const)(
    "%s the CA has changed the key leaves an account that issues",
    async (phase) => {
      await using issuing = await startIssuing();
      const { ca, words } = issuing;
      const options = { env: { HOME: issuing.state } };
      const known = words.filter((word) => word !== "--agree-tos");
      expect((await acmectl(["account", "register", ...words], options).ended).code).toBe(0);
      const first = acmectl(["account", "rollover", ...known], options);
      ca.faults.add({
        on: "keyChange",
        phase,
        do: {
          call: async () => {
            first.child.kill("SIGKILL");
            await first.ended;
          },
          destroy: true,
        },
      });
      expect((await first.ended).signal).toBe("SIGKILL");
      const folder = await accountFolder(issuing.state);
      const next = await readFile(join(folder, "key.next.pem"), "utf8");
      const issued = await issuing.issue(["-d", "a.example.test"]);
      expect(issued.code).toBe(0);
      expect((await readdir(folder)).toSorted()).toEqual(["account.json", "key.pem"]);
      const kept = await readFile(join(folder, "key.pem"), "utf8");
      expect(kept === next).toBe(phase === "after");
    },
  );
});

async function readJson(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(path, "utf8"));
}

describe.skipIf(!available("pebble"))("accounts at Pebble", () => {
  let pebble: Pebble;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  const account = (words: string, state = folder.path) => {
    const ca = ["--server", pebble.directoryUrl, "--ca-bundle", pebble.rootFile];
    const env = { HOME: folder.path };
    return run(["account", ...words.split(" "), ...ca, "--state", state], { env });
  };
  beforeEach(async () => {
    folder = await temporaryFolder();
    pebble = await startPebble();
  });
  afterEach(async () => {
    await pebble.close();
    await folder[Symbol.asyncDispose]();
  });

  test("are updated, rolled over, exported, imported and deactivated", async () => {
    const made = await account("register --agree-tos -m ops@example.com");
    expect(made.stderr).not.toContain("Hint");
    expect(made.code).toBe(0);
    expect((await account("update -m other@example.com")).code).toBe(0);
    const changed = JSON.parse((await account("show --json")).stdout);
    expect(changed.account.contact).toEqual(["mailto:other@example.com"]);
    expect(await account("rollover")).toMatchObject({ code: 0, stderr: "" });
    const shown = JSON.parse((await account("show --json")).stdout);
    expect(shown.account).toMatchObject({ url: changed.account.url, status: "valid" });

    const file = join(folder.path, "account.jwk");
    expect((await account(`export --format jwk --output ${file}`)).code).toBe(0);
    const other = join(folder.path, "other");
    expect(await account(`import ${file}`, other)).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse((await account("show --json", other)).stdout).account).toMatchObject({
      url: changed.account.url,
    });

    expect((await account("deactivate --yes")).code).toBe(0);
    const ended = await account("show", other);
    expect(ended.code).toBe(5);
    expect((await account("register --agree-tos --reregister", other)).code).toBe(0);
    const fresh = JSON.parse((await account("show --json", other)).stdout);
    expect(fresh.account.status).toBe("valid");
    expect(fresh.account.url).not.toBe(changed.account.url);
  });

  test("that the CA has lost are reported, and registered again only with --reregister", async () => {
    await account("register --agree-tos");
    const path = await accountFolder(folder.path);
    // What is left of a Pebble that was started again: it knows neither the account nor its key.
    const lost = await createAccountKey();
    await writeFile(join(path, "key.pem"), lost);
    const { keyThumbprints: _, ...record } = await readJson(join(path, "account.json"));
    const url = String(record["url"]).replace(/(my-account\/)\w+/, "$1lost");
    await writeFile(join(path, "account.json"), JSON.stringify({ ...record, url }));
    for (const words of ["show", "register --agree-tos", "update -m ops@example.com"]) {
      const { code, stderr } = await account(words);
      expect(code).toBe(5);
      expect(stderr).toContain("acmectl account register --reregister");
    }
    expect((await account("register --agree-tos --reregister")).code).toBe(0);
    expect(await readFile(join(path, "key.pem"), "utf8")).toBe(lost);
    const shown = JSON.parse((await account("show --json")).stdout);
    expect(shown.account.status).toBe("valid");
  });
});
