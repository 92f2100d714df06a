import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { expect, test } from "vitest";
import { reloadableServers } from "../../src/certificate.ts";
import { deployCertificate } from "../../src/deploy/deploy.ts";
import { searchPath } from "../../src/deploy/environment.ts";
import { openOncePerRun } from "../../src/deploy/tools.ts";
import { openWorld, type World } from "./world.ts";

/** Tests reload no server of the machine that they run on. */
const installed = (...programs: readonly string[]) =>
  searchPath(process.env["PATH"])
    .split(delimiter)
    .some((folder) => programs.some((program) => existsSync(join(folder, program))));
const apaches = ["apache2ctl", "apachectl", "httpd"];
const programsOf = (server: string) =>
  ({ apache: apaches, dovecot: ["doveadm"] })[server] ?? [server];

/** Programs of these names that write down how they are called; and nothing else on PATH but a shell's tools. */
async function withPrograms(names: readonly string[], text = "") {
  const world = await openWorld();
  const log = world.at("calls");
  for (const name of names) await world.script(name, `echo "${name} $*" >> ${log}; ${text}`);
  const calls = async () =>
    (await readFile(log, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
  return { world, calls };
}

const deploy = async (world: World) =>
  deployCertificate(
    await world.read(),
    { all: true },
    {
      ...world.tools,
      env: { PATH: `${world.folder}:/usr/bin:/bin` },
    },
  );

test.each([
  ["nginx", ["nginx"], ["nginx -t -q", "nginx -s reload"]],
  ["apache", ["apache2ctl"], ["apache2ctl -t", "apache2ctl -k graceful"]],
  ["apache", ["httpd"], ["httpd -t", "httpd -k graceful"]],
  [
    "haproxy",
    ["haproxy", "systemctl"],
    ["haproxy -c -q -f /etc/haproxy/haproxy.cfg", "systemctl reload haproxy"],
  ],
  ["postfix", ["postfix"], ["postfix check", "postfix reload"]],
  ["dovecot", ["doveconf", "doveadm"], ["doveconf -h protocols", "doveadm reload"]],
  [
    "caddy",
    ["caddy"],
    [
      "caddy validate --config /etc/caddy/Caddyfile",
      "caddy reload --force --config /etc/caddy/Caddyfile",
    ],
  ],
] as const)("%s is checked and reloaded by %j", async (reload, programs, expected) => {
  // It is looked for under another name first.
  if (programs[0] === "httpd" && installed(...apaches)) return;
  const { world, calls } = await withPrograms(programs);
  await world.want([{ reload }]);
  expect(await deploy(world)).toBeUndefined();
  expect(await calls()).toEqual(expected);
});

test("a custom configuration path is passed to both commands", async () => {
  const { world, calls } = await withPrograms(["nginx"]);
  await world.want([{ reload: "nginx", config: "/srv/nginx.conf" }]);
  await deploy(world);
  expect(await calls()).toEqual([
    "nginx -t -q -c /srv/nginx.conf",
    "nginx -s reload -c /srv/nginx.conf",
  ]);
});

test("a server with a broken configuration is not reloaded, and its error is shown", async () => {
  const { world, calls } = await withPrograms(["nginx"], "echo 'emerg: no such file' >&2; exit 1");
  await world.want([{ reload: "nginx" }]);
  const problem = await deploy(world);
  expect(problem?.message).toMatch(/The check of nginx \(.*nginx -t -q\) failed with exit code 1/);
  expect(problem?.message).toContain("emerg: no such file");
  expect(await calls()).toEqual(["nginx -t -q"]);
});

test.each(reloadableServers.filter((server) => !installed(...programsOf(server))))(
  "%s that is not on this machine is reported",
  async (reload) => {
    const world = await openWorld([{ reload }]);
    const problem = await deploy(world);
    expect(problem?.message).toContain(`Cannot reload ${reload}: `);
    expect(problem?.message).toContain("was not found in");
  },
);

test("certificates deployed at once share reloads that begin after their files were written", async () => {
  const once = openOncePerRun();
  const begun: (() => void)[] = [];
  const work = () => new Promise<void>((resolve) => void begun.push(resolve));
  const first = once.after("nginx", work);
  const others = [1, 2, 3].map(() => once.after("nginx", work));
  const elsewhere = once.after("haproxy", work);
  expect(begun).toHaveLength(2);
  begun[0]?.();
  await first;
  await Promise.resolve();
  expect(begun).toHaveLength(3);
  begun[1]?.();
  begun[2]?.();
  await Promise.all([...others, elsewhere]);
  const last = once.after("nginx", work);
  expect(begun).toHaveLength(4);
  begun[3]?.();
  await last;
});

test("a failed shared reload fails for all certificates that shared it, and the next call reloads again", async () => {
  const once = openOncePerRun();
  const fail = async () => {
    await Promise.resolve();
    throw new Error("no");
  };
  const outcomes = await Promise.allSettled([1, 2, 3].map(() => once.after("x", fail)));
  expect(outcomes.map(({ status }) => status)).toEqual(Array(3).fill("rejected"));
  await once.after("x", async () => undefined);
});
