import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startIssuing, type Issuing } from "../support/issuing.ts";
import { available } from "../support/servers/catalog.ts";
import { startSmtp, type SmtpServer } from "../support/servers/smtp.ts";
import { temporaryFolder } from "../support/state.ts";

describe.skipIf(!available("aiosmtpd"))("notifications by email", () => {
  let smtp: SmtpServer;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let issuing: Issuing;
  let config: string;
  beforeAll(async () => {
    folder = await temporaryFolder();
    smtp = await startSmtp(folder.path);
    await writeFile(join(folder.path, "password"), "correct horse\n");
  });
  beforeEach(async () => {
    issuing = await startIssuing();
    config = join(issuing.home, "config.yaml");
    return () => issuing[Symbol.asyncDispose]();
  });
  afterAll(async () => {
    await smtp.close();
    await folder[Symbol.asyncDispose]();
  });

  const write = (notify: object, more: object = {}) =>
    writeFile(config, JSON.stringify({ notify, ...more }));
  const newMessages = async (work: () => Promise<unknown>) => {
    const before = (await smtp.messages()).length;
    await work();
    const sent = (await smtp.messages()).slice(before);
    // Long lines are folded (RFC 2045, section 6.7).
    return sent.map((one) => ({ ...one, content: one.content.replaceAll(/=\r?\n/g, "") }));
  };
  const plain = () => ({
    email: {
      to: ["ops@example.com"],
      from: "acmectl@example.com",
      server: `smtp://127.0.0.1:${smtp.plain}`,
    },
  });

  test("a test message goes by STARTTLS with a password, by TLS, and to a server of this machine", async () => {
    const { starttls, tls, rootFile: caBundle } = smtp;
    const to = ["ops@example.com", "dev@example.com"];
    const user = { user: "ops", password: `file:${join(folder.path, "password")}` };
    await write({
      a: { email: { to, server: `smtp://localhost:${starttls}`, ...user, caBundle } },
      b: { email: { to, server: `smtps://localhost:${tls}`, caBundle } },
      c: plain(),
    });
    const sent = await newMessages(async () => {
      const ran = await issuing.run(["notify", "test", "--config", config]);
      expect(ran.code, ran.stderr).toBe(0);
      expect(ran.stdout).toContain("Sent a test message to a.");
    });
    expect(sent.map(({ tls, user }) => `${tls} ${user}`).toSorted()).toEqual([
      "false null",
      "true null",
      "true ops",
    ]);
    expect(sent.find(({ user }) => user === "ops")?.to).toEqual(to);
    for (const { content } of sent) {
      expect(content).toMatch(/^Auto-Submitted: auto-generated\r?$/m);
      expect(content).toMatch(/^Subject: acmectl on .*: test\r?$/m);
    }
  });

  test.each([
    [
      "a wrong password",
      { password: "env:WRONG", user: "ops" },
      "refused the message: 535",
      "email.user",
    ],
    [
      "an unknown recipient",
      { to: "nobody@example.com", plain: true, plainPort: true },
      "550 5.1.1",
      "email.to",
    ],
    [
      "a certificate of an unknown CA",
      { caBundle: undefined, user: "ops", password: "env:WRONG" },
      "certificate",
      "",
    ],
    ["no server", { server: "smtp://127.0.0.1:1" }, "ECONNREFUSED", ""],
    [
      "an address that is not one",
      { server: "mail.example.com" },
      "is not the address of an SMTP server",
      "smtps://HOST:465",
    ],
  ])("%s fails the test message with the server's own words", async (_, given, message, hint) => {
    const { plainPort, ...setting } = { plainPort: false, ...given };
    const port = plainPort ? smtp.plain : smtp.starttls;
    const usual = {
      to: "ops@example.com",
      server: `smtp://localhost:${port}`,
      caBundle: smtp.rootFile,
    };
    await write({ ops: { email: { ...usual, ...setting } } });
    const env = { env: { HOME: issuing.home, WRONG: "wrong horse" } };
    const ran = await issuing.run(["notify", "test", "--config", config], env);
    expect([2, 4]).toContain(ran.code);
    expect(ran.stderr).toContain(message);
    expect(ran.stderr).toContain(hint);
    expect(ran.stderr).not.toContain("wrong horse");
  });

  test("a failed renewal, a failed deployment and both recoveries are one message each, and not repeated", async () => {
    const name = "notify.example.test";
    const step = `test ! -e ${join(issuing.home, "broken")}`;
    await write({ ops: plain() }, { defaults: { deploy: [{ run: step, shell: true }] } });
    const flags = ["--config", config];
    const nothing = await newMessages(async () => {
      const issued = await issuing.issue(["-d", name, ...flags]);
      expect(issued.code, issued.stderr).toBe(0);
    });
    expect(nothing).toEqual([]);

    const down = issuing.ca.faults.add({ on: "newOrder", times: Infinity, do: { status: 503 } });
    const renew = async (code: number, ...words: string[]) => {
      const ran = await issuing.run(["renew", "--no-jitter", ...words, ...flags]);
      expect(ran.code, ran.stderr).toBe(code);
    };
    const failed = await newMessages(() => renew(4, "--force"));
    expect(failed.map(({ to, from }) => [from, to])).toEqual([
      ["acmectl@example.com", ["ops@example.com"]],
    ]);
    expect(failed[0]?.content).toContain(`${name} cannot be issued or renewed`);
    expect(await newMessages(() => renew(0))).toEqual([]);

    down.remove();
    await writeFile(join(issuing.home, "broken"), "");
    const [changed, ...others] = await newMessages(() => renew(9, "--force"));
    expect(others).toEqual([]);
    expect(changed?.content).toContain("is not deployed");
    expect(changed?.content).toContain("can be issued and renewed again");

    await rm(join(issuing.home, "broken"));
    const [fine] = await newMessages(() => issuing.run(["deploy", ...flags]));
    expect(fine?.content).toMatch(
      new RegExp(`^Subject: acmectl on .*: ${name} is deployed\\r?$`, "m"),
    );
  });

  test("a mail server that is down changes neither outcome nor exit code, and the next run sends", async () => {
    const step = { run: "exit 1", shell: true };
    await write(
      { ops: { email: { to: "ops@example.com", server: "smtp://127.0.0.1:1" } } },
      { defaults: { deploy: [step] } },
    );
    const flags = ["--config", config];
    const issued = await issuing.issue(["-d", "late.example.test", ...flags, "--json"]);
    expect(issued.code, issued.stderr).toBe(9);
    expect(JSON.parse(issued.stdout)).toMatchObject({ problem: { code: 9 } });
    expect(issued.stderr).toContain("could not notify ops; the next run tries again: ");
    await write({ ops: plain() }, { defaults: { deploy: [step] } });
    const [late] = await newMessages(() => issuing.run(["renew", "--no-jitter", ...flags]));
    expect(late?.content).toContain("late.example.test is not deployed");
  });
});
