/** What `account persist` prints for name servers and Terraform, read by those programs. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startIssuing, type Issuing } from "../support/issuing.ts";
import { available, find, program } from "../support/servers/catalog.ts";
import { temporaryFolder } from "../support/state.ts";

const execute = promisify(execFile);
const names = ["-d", "a.example.test", "-d", "*.b.example.test", "--until", "2099-01-01"];

describe("account persist", () => {
  let issuing: Issuing;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  /** By name, as the JSON document has them. */
  let wanted: Readonly<Record<string, string>>;
  const persist = async (more: readonly string[]) => {
    const ran = await issuing.run([
      ...["account", "persist", ...issuing.words.slice(0, 4), ...names, ...more],
    ]);
    expect(ran.code, ran.stderr).toBe(0);
    return ran.stdout;
  };
  beforeAll(async () => {
    folder = await temporaryFolder();
    issuing = await startIssuing();
    // As long as a domain name can be, and characters that mean something to Terraform.
    const long = `${Array.from({ length: 4 }, () => "a".repeat(61)).join(".")}.test`;
    const mutate = ({ meta, ...json }: Record<string, unknown>) => ({
      ...json,
      meta: {
        ...(meta as object),
        issuerDomainNames: [long],
        accountHashPrefix: "https://ca.test/${one}/%{two}/",
      },
    });
    issuing.ca.faults.add({ on: "directory", do: { mutate }, times: Infinity });
    await issuing.run(["account", "register", ...issuing.words]);
    const { records } = JSON.parse(await persist(["--json"])) as {
      records: { name: string; type: string; value: string; until: string }[];
    };
    expect(records.map(({ name, type, until }) => [name, type, until])).toEqual([
      ["_validation-persist.a.example.test", "TXT", "2099-01-01T00:00:00.000Z"],
      ["_validation-persist.b.example.test", "TXT", "2099-01-01T00:00:00.000Z"],
    ]);
    expect(records[0]?.value.length).toBeGreaterThan(255);
    expect(records[1]?.value).toMatch(
      /^(?:a+\.){4}test; accounturi=https:\/\/ca\.test\/\$\{one\}\/%\{two\}\/\S+; policy=wildcard; persistUntil=4070908800$/,
    );
    wanted = Object.fromEntries(records.map(({ name, value }) => [name, value]));
  });
  afterAll(async () => {
    await issuing?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  test.skipIf(!available("bind"))("prints lines that BIND loads as a zone file", async () => {
    const head = "@ 3600 IN SOA ns1 ops 1 2 3 4 5\n@ 3600 IN NS ns1\nns1 3600 IN A 192.0.2.1\n";
    const file = join(folder.path, "zone");
    await writeFile(file, head + (await persist(["--format", "zone"])));
    const { file: checkzone, env } = program("named-checkzone");
    const words = ["-D", "-o", "-", "example.test", file];
    const loaded = await execute(checkzone, words, { env: { ...process.env, ...env } });
    const lines = loaded.stdout.matchAll(/^(_validation\S+)\.\s+3600\s+IN\s+TXT\s+(".*")$/gm);
    const found = [...lines].map(([, name = "", texts = ""]) => {
      // As the texts of one record are put together.
      return [name, texts.slice(1, -1).replaceAll('" "', "").replaceAll("\\", "")] as const;
    });
    expect(Object.fromEntries(found)).toEqual(wanted);
  });

  test("prints what Terraform reads", async ({ skip }) => {
    if (find("terraform") === undefined) skip("terraform is not installed");
    await writeFile(join(folder.path, "main.tf"), await persist(["--format", "terraform"]));
    const { file: terraform } = program("terraform");
    const console = execFile(terraform, ["console"], { cwd: folder.path });
    console.stdin?.end("jsonencode(local.acme_persist_records)\n");
    const lines: string[] = [];
    for await (const chunk of console.stdout ?? []) lines.push(String(chunk));
    const text: unknown = JSON.parse(lines.join(""));
    expect(JSON.parse(String(text))).toEqual(wanted);
  });
});
