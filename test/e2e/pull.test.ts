/** Hosts that receive certificates from a shared state: each has a folder and a role of its own in one database. */
import { randomBytes } from "node:crypto";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Store } from "../../src/state/store.ts";
import { hostGrants } from "../../src/state/postgres/schema.ts";
import { openSealing } from "../../src/state/sealing.ts";
import { hasPostgres, startPostgres, type Postgres } from "../support/servers/postgres.ts";
import type { Excused } from "../support/invariants/invariants.ts";
import { acmectl } from "../support/spawn.ts";
import { temporaryFolder } from "../support/state.ts";
import { newVersion, requestOf } from "../state/material.ts";
import { openAt } from "../state/shared/state.ts";
import { never } from "../state/state.ts";

const day = 86_400_000;
const stateKey = randomBytes(32).toString("base64");

describe.skipIf(!hasPostgres())("acmectl pull", () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  async function newFleet() {
    const database = await server.createDatabase();
    const store = await openAt(server.url(database), { sealing: openSealing([stateKey]) });
    await store.init();
    const folder = await temporaryFolder();
    onTestFinished(() => folder[Symbol.asyncDispose]());
    const host = (name: string, user?: { name: string; password: string }) => {
      const state = user === undefined ? server.url(database) : server.url(database, user);
      const config = join(folder.path, `${name}.yaml`);
      const files = join(folder.path, name);
      const env = { HOME: folder.path, ACMECTL_STATE_FILES: files, ACMECTL_STATE_KEY: stateKey };
      const excused = { "exit code 0 means that the goal is met": "the state is in a database" };
      const runExcused = (more: Excused, ...words: string[]) => {
        const typed = [...words, "--state", state, "--config", config];
        return acmectl(typed, { env, excused: { ...excused, ...more } }).ended;
      };
      return {
        config,
        current: join(files, "certificates/shop/current"),
        configure: (text: string) => writeFile(config, `host: ${name}\n${text}`),
        runExcused,
        run: (...words: string[]) => runExcused({}, ...words),
      };
    };
    return { store, database, folder: folder.path, host };
  }

  async function commit(store: Store, serial: string, name = "shop", labels = { role: "web" }) {
    await store.certificates.saveRequest({ ...requestOf(name), labels });
    const lock = await store.lock(`certificate:${name}`, { wait: 0, signal: never });
    const midnight = Math.floor(Date.now() / day) * day;
    const at = (time: number) => new Date(time).toISOString();
    const dates = { notBefore: at(midnight), notAfter: at(midnight + 90 * day) };
    const version = await newVersion(serial, dates);
    await store.certificates.commit(name, version, lock);
    await lock.release();
    return `${version.privateKey.trim()}\n`;
  }

  test("two hosts get their files, deploy them, and each sees what the other serves", async () => {
    const { store, database, folder, host } = await newFleet();
    const [web1, web2] = [host("web1"), host("web2")];
    const first = await commit(store, "01");
    await commit(store, "0a", "mail", { role: "mx" });
    const [log, broken] = [join(folder, "deployed.log"), join(folder, "broken")];
    await web1.configure(
      `pull: { web: { labels: { role: web }, deploy: [{ run: "echo $RENEWED_DOMAINS >> ${log}", shell: true }] } }\n`,
    );
    await web2.configure(
      `pull: { web: { names: [shop], deploy: [{ run: "test ! -e ${broken}" }] } }\n`,
    );
    await writeFile(broken, "");

    const pulled = await web1.run("pull");
    expect(pulled, pulled.stderr).toMatchObject({ code: 0 });
    expect(pulled.stdout).toMatch(
      /shop\n[^]*Version 1 is in .*web1\/certificates\/shop\/current\/fullchain.pem/,
    );
    expect(await readFile(join(web1.current, "privkey.pem"), "utf8")).toBe(first);
    expect((await stat(join(web1.current, "privkey.pem"))).mode & 0o777).toBe(0o600);
    expect(await readFile(log, "utf8")).toBe("shop.example.com\n");

    const failed = await web2.run("pull", "--json");
    expect(failed.code).toBe(9);
    expect(JSON.parse(failed.stdout)).toMatchObject({
      outcome: "failed",
      certificates: [{ name: "shop", outcome: "failed", deploy: [{ state: "failed" }] }],
    });

    // From the other host.
    const status = await web1.run("status", "shop");
    expect(status.stdout).toMatch(/web1 +1 .*current/);
    expect(status.stdout).toMatch(/web2 +- .*behind .*test ! -e/);
    expect((await web1.run("list")).stdout).toMatch(/shop .*behind on web2/);
    const metrics = (await web1.run("status", "--format", "prometheus")).stdout;
    expect(metrics).toContain('acmectl_certificate_host_behind{name="shop",host="web2"} 1');
    expect(metrics).toContain('acmectl_certificate_host_version{name="shop",host="web1"} 1');
    const check = await web1.run("status", "--check");
    expect(check.stderr).toMatch(/undeployed: The host web2 serves no version yet, not version 1/);

    // Nothing has changed: nothing is deployed again, and the failed step waits.
    const rows = await server.query(database, "SELECT * FROM acmectl.deployments ORDER BY host");
    expect((await web1.run("pull")).stdout).toBe("1 certificate is up to date.\n");
    expect((await web2.run("pull")).stdout).toMatch(/A deploy step failed; it is repeated after/);
    expect(await server.query(database, "SELECT * FROM acmectl.deployments ORDER BY host")).toEqual(
      rows,
    );
    await rm(broken);
    expect(await web2.run("pull", "--force")).toMatchObject({ code: 0, stdout: /Deployed/ });
    expect((await web1.run("list", "--json")).stdout).toMatch(/"host": "web2",[^}]*"version": 1/);

    const second = await commit(store, "02");
    expect((await web2.run("status", "shop")).stdout).toMatch(/web1 +1 .*behind/);
    expect(await web1.run("pull")).toMatchObject({ code: 0, stdout: /Version 2/ });
    expect(await readFile(join(web1.current, "privkey.pem"), "utf8")).toBe(second);
    expect((await readFile(log, "utf8")).split("\n")).toHaveLength(3);

    await store.certificates.remove("shop");
    const removed = { "what PostgreSQL has in use never goes back": "the test has removed it" };
    const left = await web1.runExcused(removed, "pull");
    expect(left).toMatchObject({
      code: 0,
      stderr: /shop is not in postgres.* any more. Its files stay/,
    });
    expect(await readFile(join(web1.current, "privkey.pem"), "utf8")).toBe(second);
    expect((await web1.run("pull")).stderr).toBe("");
  });

  test("a host reads certificates with a role of few rights, or of none to write", async () => {
    const { store, database, host } = await newFleet();
    await commit(store, "01");
    const roles = ["host", "reader"].map((name) => ({
      name: `${name}_${database}`,
      password: "x",
    }));
    const [writing = fail(), reading = fail()] = roles;
    for (const { name } of roles) {
      await server.query(database, `CREATE ROLE ${name} LOGIN PASSWORD 'x'`);
      const grants = hostGrants.map((grant) => grant.replace("acmectl_host", name));
      const given =
        name === writing.name ? grants : grants.map((one) => one.replace(", INSERT, UPDATE", ""));
      await server.query(database, given.join("\n"));
    }
    const [web1, web2] = [host("web1", writing), host("web2", reading)];
    for (const one of [web1, web2]) await one.configure("pull: { all: {} }\n");
    expect(await web1.run("pull")).toMatchObject({ code: 0, stderr: "" });
    const unrecorded = await web2.run("pull");
    expect(unrecorded).toMatchObject({ code: 0 });
    expect(unrecorded.stderr).toMatch(/what this host serves cannot be recorded.*rights/);
    expect(await web2.run("pull")).toMatchObject({ code: 0, stderr: "", stdout: /up to date/ });
    expect(await readFile(join(web2.current, "fullchain.pem"), "utf8")).toContain("CERTIFICATE");
    expect((await store.certificates.read("shop"))?.hosts?.map((one) => one.host)).toEqual([
      "web1",
    ]);
    const page = await readFile(new URL("../../docs/fleet.md", import.meta.url), "utf8");
    for (const grant of hostGrants.slice(1)) expect(page).toContain(grant);

    await server.query(database, `CREATE ROLE worker_${database}`);
    const [, policies = ""] = page.match(/(ALTER TABLE[^`]*)```/) ?? [];
    const named = policies.replaceAll(/acmectl_(host|worker)/g, `$1_${database}`);
    await server.query(database, named);
    await commit(store, "0b", "mail", { role: "mx" });
    const own = await web1.run("pull", "mail", "shop");
    expect(own).toMatchObject({ code: 2, stdout: "1 certificate is up to date.\n" });
    expect(own.stderr).toContain("has no certificate called mail");
    // The keys of accounts are out of reach.
    for (const { name } of roles) {
      const sql = `SET ROLE ${name}; SELECT * FROM acmectl.accounts`;
      await expect(server.query(database, sql)).rejects.toThrow("permission denied");
    }
  });

  test("what is asked for wrongly is explained", async () => {
    const { store, host } = await newFleet();
    await commit(store, "01");
    const web1 = host("web1");
    await web1.configure("");
    expect(await web1.run("pull")).toMatchObject({ code: 2, stderr: /No certificate was named/ });
    const mixed = await web1.run("pull", "shop", "nothing");
    expect(mixed).toMatchObject({ code: 2, stdout: /Version 1/ });
    expect(mixed.stderr).toContain("has no certificate called nothing.");
    const folder = await acmectl(["pull", "shop", "--state", "/nowhere/state"], { env: {} }).ended;
    expect(folder).toMatchObject({ code: 2, stderr: /is a folder on this host/ });
  });
});

function fail(): never {
  throw new Error("there is no such role");
}
