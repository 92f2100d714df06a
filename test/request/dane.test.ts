import { expect, test } from "vitest";
import { tlsaWriters } from "../../src/request/dane.ts";
import { problemOf, requestFor, settingOf, solverOf } from "../issue/world.ts";

const plugins = {
  web: solverOf("web", { types: ["http-01"] }).plugin,
  txt: solverOf("txt").plugin,
  zone: { ...solverOf("zone").plugin, recordTypes: ["TXT", "TLSA"] as const },
  lab: { ...solverOf("lab").plugin, recordTypes: ["TLSA"] as const },
};
const load = async ({ use }: { use: string }) =>
  Object.entries(plugins).find(([name]) => name === use)?.[1] ?? plugins.web;
const [web, txt, zone] = ["web", "txt", "zone"].map((name) => settingOf(name));
const lab = settingOf("lab", { zones: ["lab.example"] });
const dane = { ports: [25] };
const names = ["mail.example.com", "mx.lab.example", "*.example.com", "192.0.2.1"];

test("TLSA records of each name are written by its best solver that can, of wildcards and addresses by none", async () => {
  const solvers = [web, txt, zone, lab].flatMap((one) => one ?? []);
  const dns = { interval: 500 };
  const writers = await tlsaWriters(requestFor(names, { solvers, dane, dns }), load);
  expect(writers.map(({ identifier, setting }) => [identifier.value, setting.name])).toEqual([
    ["mail.example.com", "zone"],
    ["mx.lab.example", "lab"],
  ]);
  expect(writers[0]?.setting.dns).toEqual(dns);
});

test("the solver of dane writes for a certificate that is proven in another way", async () => {
  const wanted = { ports: [25], solver: zone };
  const solvers = [web].flatMap((one) => one ?? []);
  const [writer] = await tlsaWriters(requestFor(["a.example"], { solvers, dane: wanted }), load);
  expect(writer?.setting.name).toBe("zone");
});

test("a certificate without a solver for TLSA, or without a name for it, is refused offline", async () => {
  const solvers = [web, txt].flatMap((one) => one ?? []);
  const none = await problemOf(tlsaWriters(requestFor(["a.example"], { solvers, dane }), load));
  expect(none.message).toBe("None of the solvers (web, txt) writes TLSA records for a.example.");
  expect(none.hint).toContain("--dane-solver");
  const nameless = await problemOf(tlsaWriters(requestFor(["*.example.com"], { dane }), load));
  expect(nameless).toMatchObject({ exitCode: 2, message: expect.stringContaining("no DNS name") });
});
