import { execFile } from "node:child_process";
import {
  chown,
  lchown,
  mkdir,
  readdir,
  readFile,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SshSetting } from "../../src/certificate.ts";
import { openWorld, type World } from "../deploy/world.ts";
import { startIssuing } from "../support/issuing.ts";
import { available, find } from "../support/servers/catalog.ts";
import { startSshd, type Sshd } from "../support/servers/sshd.ts";
import { temporaryFolder } from "../support/state.ts";

const isThere = available("sshd") && find("ssh") !== undefined && find("ssh-keygen") !== undefined;

describe.skipIf(!isThere)("a deploy step by ssh", () => {
  let sshd: Sshd;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    folder = await temporaryFolder();
    sshd = await startSshd(folder.path);
    await mkdir(join(sshd.home, "tls"));
    const { uid, gid } = await stat(sshd.home);
    await chown(join(sshd.home, "tls"), uid, gid);
  });
  afterAll(async () => {
    await sshd.close();
    await folder[Symbol.asyncDispose]();
  });
  const at = (...parts: string[]) => join(sshd.home, ...parts);
  const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
  const settings = (more: Partial<SshSetting>): SshSetting => ({
    hosts: ["web1"],
    options: ["-F", sshd.clientConfig],
    ...more,
  });
  const held = async (world: World, kind: "fullchain" | "privateKey") => {
    const files = await world.tools.store.certificates.files("shop");
    return readFile(files?.[kind] ?? "", "utf8");
  };

  test("writes files of any name with the modes of keys and certificates, and runs a command afterwards", async () => {
    const run =
      'cat tls/shop.key "tls/a b\'s chain.pem" > both; echo $(($(cat count || echo 0) + 1)) > count';
    const ssh = settings({ key: "~/tls/shop.key", fullchain: "tls/a b's chain.pem", run });
    const world = await openWorld([{ ssh }]);
    expect(await world.deploy()).toBeUndefined();
    const [key, chain] = [at("tls", "shop.key"), at("tls", "a b's chain.pem")];
    const texts = [await held(world, "privateKey"), await held(world, "fullchain")];
    expect(await readFile(at("both"), "utf8")).toBe(texts.join(""));
    expect([await modeOf(key), await modeOf(chain)]).toEqual(["600", "644"]);
    const { ino } = await stat(key);
    await world.issue();
    expect(await world.deploy()).toBeUndefined();
    expect((await stat(key)).ino, "the file was replaced, not rewritten").not.toBe(ino);
    expect(await readFile(key, "utf8")).toBe(await held(world, "privateKey"));
    expect(await readFile(at("count"), "utf8")).toBe("2\n");
    expect((await readdir(at("tls"))).toSorted()).toEqual(["a b's chain.pem", "shop.key"]);
  });

  test("follows a symbolic link, and keeps the mode of a certificate and of a shared key", async () => {
    await writeFile(at("tls", "real.key"), "", { mode: 0o640 });
    await writeFile(at("tls", "real.pem"), "", { mode: 0o640 });
    const { uid, gid } = await stat(sshd.home);
    for (const name of ["real.key", "real.pem"]) await chown(at("tls", name), uid, gid);
    await symlink("tls/real.key", at("link.key"));
    await symlink("./tls/", at("certs"));
    for (const name of ["link.key", "certs"]) await lchown(at(name), uid, gid);
    const cert = `${at("certs")}//real.pem`;
    const world = await openWorld([{ ssh: settings({ key: "link.key", cert }) }]);
    expect(await world.deploy()).toBeUndefined();
    expect(await readFile(at("tls", "real.key"), "utf8")).toBe(await held(world, "privateKey"));
    expect(await modeOf(at("tls", "real.key"))).toBe("640");
    expect(await modeOf(at("tls", "real.pem"))).toBe("640");
    await world.want([{ ssh: settings({ cert: "tls/real.pem", mode: "0604" }) }]);
    expect(await world.deploy()).toBeUndefined();
    expect(await modeOf(at("tls", "real.pem"))).toBe("604");
  });

  test.each([
    [{ key: "none/shop.key" }, "The folder none does not exist.", ""],
    [{ key: "tls" }, "tls is not a regular file.", ""],
    [{ key: "/proc/shop.key" }, "failed with exit code 1", ""],
    [{ key: "tls/x.key", owner: "root" }, "failed with exit code 1", "only root"],
    [
      { run: "echo no such unit >&2; exit 5" },
      "failed with exit code 5. It printed last:\nno such unit",
      "",
    ],
    [
      { hosts: ["stranger"], run: "true" },
      "Host key verification failed",
      "Run `ssh stranger` once",
    ],
    [{ hosts: ["closed"], run: "true" }, "Connection refused", ""],
    [
      { hosts: ["no.such.host.invalid"], run: "true" },
      "Could not resolve hostname",
      "ssh configuration",
    ],
    [{ hosts: ["nobody@web1"], run: "true" }, "Permission denied (publickey", "authorized_keys"],
  ] as const)("%j fails and leaves nothing behind", async (more, message, hint) => {
    const before = await readdir(at("tls"));
    const world = await openWorld([{ ssh: settings(more) }]);
    const problem = await world.deploy();
    expect(problem?.message).toContain(message);
    expect(problem?.hint).toContain(hint);
    expect(await readdir(at("tls"))).toEqual(before);
  });

  test.runIf(process.geteuid?.() === 0)(
    "does not follow a symbolic link of another user, or a circle of links",
    async () => {
      await symlink("tls/other.key", at("foreign.key"));
      await lchown(at("foreign.key"), 12_345, 12_345);
      await symlink("tls", at("foreign"));
      await lchown(at("foreign"), 12_345, 12_345);
      await symlink("circle.key", at("circle.key"));
      const { uid, gid } = await stat(sshd.home);
      await lchown(at("circle.key"), uid, gid);
      for (const [key, message] of [
        ["foreign.key", "is a symbolic link of another user (user id 12345)"],
        ["foreign/other.key", "foreign is a symbolic link of another user (user id 12345)"],
        ["circle.key", "Cannot follow the symbolic link circle.key."],
      ] as const) {
        const world = await openWorld([{ ssh: settings({ key }) }]);
        expect((await world.deploy())?.message).toContain(message);
      }
      expect(await readdir(at("tls"))).not.toContain("other.key");
    },
  );

  test("that loses its connection while the files arrive replaces nothing", async () => {
    const { promises } = await import("node:fs");
    await promises.writeFile(at("tls", "cut.pem"), "before");
    const { uid, gid } = await stat(sshd.home);
    await chown(at("tls", "cut.pem"), uid, gid);
    const cutting = await openWorld();
    // An ssh that hands on all of the script but its last line.
    await cutting.script("ssh", `touch "$0.used"; head -n -1 | exec ${find("ssh")} "$@"`);
    const env = { PATH: `${cutting.folder}:${process.env["PATH"]}` };
    const world = await openWorld([{ ssh: settings({ cert: "tls/cut.pem" }) }], { env });
    await world.deploy();
    expect((await stat(cutting.at("ssh.used"))).isFile()).toBe(true);
    expect(await readFile(at("tls", "cut.pem"), "utf8")).toBe("before");
  });

  test("has a state for each host in status, and renew repeats only the host that failed", async () => {
    await using issuing = await startIssuing();
    const name = "ssh.example.test";
    const config = join(issuing.home, "config.yaml");
    const ssh = settings({ hosts: ["web1", "web2"], cert: "late/cert.pem", run: "echo x >> runs" });
    await writeFile(config, JSON.stringify({ defaults: { deploy: [{ ssh }] } }));
    const issued = await issuing.issue(["-d", name, "--config", config]);
    expect(issued.code, issued.stderr).toBe(9);
    await mkdir(at("late"));
    const { uid, gid } = await stat(sshd.home);
    await chown(at("late"), uid, gid);
    // web2 is a server that is down for a moment.
    const original = await readFile(sshd.clientConfig, "utf8");
    await writeFile(sshd.clientConfig, `Host web2\nPort 1\n${original}`);
    const half = await issuing.run(["deploy", "--json"]);
    expect(half.code).toBe(9);
    const [one] = JSON.parse(half.stdout).certificates;
    expect(one.deploy.map(({ state }: { state: string }) => state)).toEqual(["done", "failed"]);
    expect(one.deploy[1].step).toBe("ssh web2: copy to late/cert.pem, then run echo x >> runs");
    await writeFile(sshd.clientConfig, original);
    const done = await issuing.run(["renew", "--no-jitter"]);
    expect(done.code, done.stderr).toBe(0);
    expect(await readFile(at("runs"), "utf8")).toBe("x\nx\n");
    const { stdout } = await promisify(execFile)("openssl", [
      "x509",
      "-noout",
      "-subject",
      "-ext",
      "subjectAltName",
      "-in",
      at("late", "cert.pem"),
    ]);
    expect(stdout).toContain(name);
  });
});
