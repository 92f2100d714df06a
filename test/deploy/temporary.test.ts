import { readFile, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { createTemporary } from "../../src/acme/certificate/temporary.ts";
import { fingerprintOf } from "../../src/acme/certificate/chain.ts";
import { createPrivateKey } from "../../src/acme/keys.ts";
import type { DeployStep } from "../../src/certificate.ts";
import { deployTemporary } from "../../src/deploy/temporary.ts";
import { conditionsOf } from "../../src/status/conditions.ts";
import { planOf, plannedStep } from "../../src/status/plan.ts";
import { X509Certificate } from "node:crypto";
import { newVersion } from "../state/material.ts";
import { never } from "../state/state.ts";
import { name, openWorld } from "./world.ts";

/** A temporary certificate is held; nginx writes down how it is called. */
async function temporaryWorld(stepsOf: (at: (file: string) => string) => readonly DeployStep[]) {
  const world = await openWorld();
  await world.want(stepsOf((file) => world.at(file)));
  const { store } = world.tools;
  const privateKey = await createPrivateKey("ec256");
  const { meta } = await newVersion("1");
  const { identifiers } = meta;
  const certificate = await createTemporary(privateKey, identifiers, new Date());
  const leaf = new X509Certificate(certificate);
  const dates = {
    notBefore: new Date(leaf.validFrom).toISOString(),
    notAfter: new Date(leaf.validTo).toISOString(),
  };
  const facts = { ...meta, ...dates, fingerprint: fingerprintOf(leaf), temporary: true as const };
  const lock = await store.lock(`certificate:${name}`, { wait: 0, signal: never });
  await store.certificates.commit(
    name,
    { privateKey, certificate, chain: certificate, meta: facts },
    lock,
  );
  await lock.release();
  const calls = world.at("calls");
  await world.script("nginx", `echo "nginx $*" >> ${calls}`);
  const tools = { ...world.tools, env: { PATH: `${world.folder}:/usr/bin:/bin` } };
  return {
    ...world,
    certificate,
    deployTemporary: async () => deployTemporary(await world.read(), tools),
    calls: async () => (await readFile(calls, "utf8").catch(() => "")).trim().split("\n"),
  };
}

test("a temporary certificate is copied and its server reloaded once; commands and probes wait", async () => {
  const world = await temporaryWorld((at) => [
    { copy: { combined: at("lb.pem") } },
    { reload: "nginx" },
    { run: `touch ${at("ran")}` },
    { probe: "127.0.0.1:1" },
  ]);
  await world.deployTemporary();
  expect(await readFile(world.at("lb.pem"), "utf8")).toContain(world.certificate);
  expect(await world.calls()).toEqual(["nginx -t -q", "nginx -s reload"]);
  await expect(readFile(world.at("ran"))).rejects.toThrow(/ENOENT/);
  await world.deployTemporary();
  expect(await world.calls()).toHaveLength(2);
  expect(await world.deploy()).toBeUndefined();
  const known = await world.read();
  const conditions = conditionsOf(known, new Date());
  expect(conditions.find(({ type }) => type === "Deployed")).toMatchObject({
    status: false,
    reason: "Temporary",
  });
  const { document } = planOf([plannedStep(known, {}, new Date())], [], false, new Date());
  expect(document).toMatchObject({ certificates: [{ name, outcome: "issue" }] });
});

test("a server that cannot be reloaded yet is a warning", async () => {
  const world = await temporaryWorld((at) => [
    { copy: { fullchain: at("full.pem"), key: at("key.pem") } },
    { reload: "nginx" },
  ]);
  await world.script("nginx", "exit 1");
  await world.deployTemporary();
  expect(world.lines.filter((line) => line.startsWith("warn"))).toEqual([
    expect.stringContaining("reload nginx, with the temporary certificate, failed"),
  ]);
});

test("a temporary certificate is not written over a real one, a key without a certificate, or a key store", async () => {
  const world = await temporaryWorld((at) => [
    { copy: { fullchain: at("full.pem"), key: at("key.pem") } },
    { copy: { key: at("alone.pem") } },
    { pkcs12: { path: at("store.p12"), password: "env:NONE" } },
    { reload: "nginx" },
  ]);
  const { certificate } = await newVersion("7");
  const before = { "full.pem": certificate, "alone.pem": "a key", "store.p12": "a store" };
  for (const [file, text] of Object.entries(before)) await writeFile(world.at(file), text);
  await world.deployTemporary();
  for (const [file, text] of Object.entries(before))
    expect(await readFile(world.at(file), "utf8")).toBe(text);
  await expect(readFile(world.at("key.pem"))).rejects.toThrow(/ENOENT/);
  expect(await world.calls()).toEqual([""]);
  expect(world.lines.filter((line) => line.includes("something is there"))).toHaveLength(3);
});
