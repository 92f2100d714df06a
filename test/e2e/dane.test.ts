import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startIssuing, type Issuing } from "../support/issuing.ts";
import { startBind, type Bind } from "../support/servers/bind.ts";
import { available } from "../support/servers/catalog.ts";
import type { TsigKey } from "../support/servers/nameserver.ts";
import { freePort } from "../support/servers/process.ts";
import { temporaryFolder } from "../support/state.ts";

const key: TsigKey = {
  name: "dane",
  algorithm: "hmac-sha256",
  secret: Buffer.from("the secret of this test").toString("base64"),
};
const name = "mail.example.test";

describe.skipIf(!available("bind"))("DANE, with a BIND that signs the zone", () => {
  let bind: Bind;
  let issuing: Issuing;
  beforeAll(async () => {
    bind = await startBind({
      keys: [key],
      zones: [
        {
          name: "example.test",
          records: [`mail IN A 127.0.0.1`],
          updatePolicy: [`grant ${key.name} zonesub ANY;`],
          clauses: ["dnssec-policy default;", "inline-signing no;"],
        },
        { name: "plain.test", updatePolicy: [`grant ${key.name} zonesub ANY;`] },
      ],
    });
    issuing = await startIssuing({ resolver: bind.server });
  });
  afterAll(async () => {
    await issuing?.[Symbol.asyncDispose]();
    await bind?.close();
  });

  const records = async (owner: string) => {
    const text = await bind.dig("+short", "+norecurse", "+nosplit", "TLSA", owner);
    return text
      .split("\n")
      .filter((line) => line !== "")
      .toSorted();
  };
  const solver = () => [
    ...["--solver", "rfc2136", "--rfc2136-server", bind.server, "--rfc2136-ttl", "1"],
    ...["--rfc2136-tsig-key-name", key.name],
    ...["--dns-resolvers", bind.server, "--dns-port", String(bind.port), "--dns-interval", "1s"],
  ];
  const env = { ACMECTL_RFC2136_TSIG_SECRET: key.secret };

  /** What a client that knows the records of the DNS says of the server. */
  const verify = async (port: number) => {
    const tlsa = (await records(`_25._tcp.${name}`)).flatMap((one) => ["-dane_tlsa_rrdata", one]);
    const child = spawn("openssl", [
      ...["s_client", "-connect", `127.0.0.1:${port}`, "-dane_tlsa_domain", name, ...tlsa],
      ...["-verify_return_error", "-brief"],
    ]);
    let text = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.stdin.end("Q\n");
    await once(child, "close");
    return text;
  };
  const daneCheck = async (name: string) => {
    await using folder = await temporaryFolder();
    const words = ["check", name, "--json"];
    const { stdout } = await issuing.run(words, { env: { HOME: folder.path, ...env } });
    const { certificates } = JSON.parse(stdout) as {
      certificates: { checks: { check: string }[] }[];
    };
    return certificates[0]?.checks.find(({ check }) => check === "dane");
  };

  const good = /Verification: OK[^]*DANE TLSA 3 1 1/;

  test("verification succeeds before, during and after a renewal with a new key", async () => {
    await using folder = await temporaryFolder();
    const port = await freePort();
    const current = join(issuing.state, "certificates", name, "current");
    const files = [join(current, "fullchain.pem"), join(current, "privkey.pem")];
    // s_server reads the files when it starts, as a mail server does.
    const pid = join(folder.path, "pid");
    const server = `openssl s_server -quiet -accept 127.0.0.1:${port} -cert ${files[0]} -key ${files[1]} & echo $! >${pid}; wait`;
    const hook = `test ! -e ${pid} || kill $(cat ${pid})`;
    const options = { env: { HOME: folder.path, ...env } };
    const words = ["-d", name, "--dane-ports", "25,465", "--deploy-hook", hook];

    const issued = await issuing.issue(words, { solver: solver(), ...options });
    expect(issued.code, issued.stderr).toBe(0);
    const before = await records(`_25._tcp.${name}`);
    expect(before).toHaveLength(2);
    expect(await records(`_465._tcp.${name}`)).toEqual(before);

    await using _ = await looping(server, pid);
    const seen: string[] = [];
    const look = async () => {
      const text = await verify(port);
      // The moment between two servers.
      if (text.includes("CONNECTION ESTABLISHED")) seen.push(good.test(text) ? "good" : text);
    };
    while (seen.length === 0) await look();
    const run = { isOver: false };
    const renewing = issuing
      .run(["renew", name, "--force", "--no-jitter"], options)
      .finally(() => (run.isOver = true));
    while (!run.isOver) await look();
    const renewed = await renewing;
    expect(renewed.code, renewed.stderr).toBe(0);
    const count = seen.length;
    while (seen.length === count) await look();
    expect(new Set(seen)).toEqual(new Set(["good"]));

    const after = await records(`_25._tcp.${name}`);
    expect(after.filter((one) => before.includes(one))).toHaveLength(1);
    expect(after).toHaveLength(2);
    const served = await bind.dig("+dnssec", "+norecurse", "TLSA", `_25._tcp.${name}`);
    expect(served).toMatch(/RRSIG\s+TLSA/);

    const status = await issuing.run(["status", name], options);
    expect(status.stdout).toMatch(
      /TLSA records\n[^]*_25\._tcp\.mail\.example\.test +3 1 1 .* seen /,
    );
    expect(await daneCheck(name)).toMatchObject({ outcome: "good", findings: [] });
    const foreign = `3 1 1 ${"AB".repeat(32)}`;
    const lines = [
      `update delete _25._tcp.${name} TLSA ${after[0]}`,
      `update add _25._tcp.${name} 1 TLSA ${foreign}`,
    ];
    expect(await bind.update(["zone example.test", ...lines], key)).toMatchObject({ code: 0 });
    expect(await daneCheck(name)).toMatchObject({
      findings: [
        { severity: "warning", detail: expect.stringContaining("are missing") as string },
        { severity: "warning", detail: expect.stringContaining(foreign.toLowerCase()) as string },
      ],
    });
    const back = await bind.update(
      [
        "zone example.test",
        `update add _25._tcp.${name} 1 TLSA ${after[0]}`,
        `update delete _25._tcp.${name} TLSA ${foreign}`,
      ],
      key,
    );
    expect(back.code).toBe(0);

    const idle = await issuing.run(["renew", name, "--no-jitter"], options);
    expect(idle.stderr).not.toContain("TLSA");
    expect(await records(`_25._tcp.${name}`)).toEqual(after);
  });

  test("a zone without DNSSEC is warned about, and deleting the certificate lists the records that stay", async () => {
    await using folder = await temporaryFolder();
    const options = { env: { HOME: folder.path, ...env } };
    const plain = "mail.plain.test";
    const words = ["-d", `${plain},*.plain.test`, "--name", plain, "--dane-ports", "25"];
    const issued = await issuing.issue(words, { solver: solver(), ...options });
    expect(issued.code, issued.stderr).toBe(0);
    const warning = "the zone plain.test is not signed with DNSSEC";
    expect(issued.stderr).toContain(warning);
    const plan = await issuing.run(["plan"], { env: { HOME: folder.path } });
    expect(plan.stdout).toContain(`${plain}: ${warning}`);
    expect(await daneCheck(plain)).toMatchObject({ outcome: "warning" });
    const published = await records(`_25._tcp.${plain}`);
    expect(published).toHaveLength(2);
    const deleted = await issuing.run(["delete", plain, "--yes"], options);
    for (const one of published)
      expect(deleted.stdout).toContain(`_25._tcp.${plain} TLSA ${one.toLowerCase()}`);
  });
});

/** Runs a command again whenever it ends. */
async function looping(command: string, pid: string): Promise<AsyncDisposable> {
  const child = spawn("sh", ["-c", `while test ! -e ${pid}.stop; do ${command}; done`]);
  return {
    async [Symbol.asyncDispose]() {
      await writeFile(`${pid}.stop`, "");
      process.kill(Number(await readFile(pid, "utf8")));
      await once(child, "close");
    },
  };
}
