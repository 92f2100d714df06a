import { execFileSync, spawnSync } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { chmod, chown, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, onTestFinished, test } from "vitest";
import type { AcmeShSetting } from "../../src/certificate.ts";
import { removeCertificate } from "../../src/commands/delete.ts";
import { deployCertificate } from "../../src/deploy/deploy.ts";
import { find } from "../support/servers/catalog.ts";
import { never } from "../state/state.ts";
import { openWorld, type World } from "./world.ts";

const PATH = process.env["PATH"];

/** A world with the deploy script `box`, whose function has this text. */
async function withScript(
  text: string,
  { shell = "/bin/sh", env = {}, ...setting }: Options = {},
): Promise<World> {
  const world = await openWorld([], { env: { PATH, ...env } });
  await writeFile(world.at("box.sh"), `#!${shell}\nbox_deploy() {\n${text}\n}\n`);
  await world.want([{ "acme.sh": "box", scripts: world.folder, ...setting }]);
  return world;
}
type Options = Partial<AcmeShSetting> & { shell?: string; env?: Record<string, string> };

const said = async (world: World, file = "out") => readFile(world.at(file), "utf8");
const memory = async ({ tools: { store } }: World) =>
  store.solverState("acme.sh deploy scripts").get("certificate shop");

test("a deploy script gets the domain and the paths of key, certificate, CA, full chain and key store", async () => {
  const world = await withScript(
    `printf '%s\\n' "$@" "$Le_Keylength" "$DOMAIN_PATH" > "$OUT/out"
     grep -q 'PRIVATE KEY' "$2" && grep -q CERTIFICATE "$3" && [ -f "$4" ] && grep -q CERTIFICATE "$5"`,
    { variables: {} },
  );
  await writeFile(world.at("password"), "changeit\n");
  await world.want([
    { pkcs12: { path: world.at("box.p12"), password: "file:password" } },
    { "acme.sh": world.at("box.sh"), variables: { OUT: world.folder }, timeout: 30_000 },
  ]);
  expect(await world.deploy()).toBeUndefined();
  const [domain, key, certificate, ca, full, store, length, folder] = (await said(world)).split(
    "\n",
  );
  expect([domain, store, length]).toEqual(["shop.example.com", world.at("box.p12"), "ec-256"]);
  expect([key, certificate, ca, full].map((path) => path?.replace(`${folder}/`, ""))).toEqual([
    "shop.key",
    "shop.cer",
    "ca.cer",
    "fullchain.cer",
  ]);
});

test.each(["/bin/sh", "/usr/bin/env bash"])(
  "what a deploy script of %s saves is given to it again at the next deployment",
  async (shell) => {
    if (find("bash") === undefined && shell.includes("bash")) return;
    const world = await withScript(
      `_getdeployconf BOX_USER
       _getdeployconf BOX_PASSWORD
       _getdeployconf BOX_PORT
       [ -n "$BOX_USER" ] || { _err "Set BOX_USER."; return 1; }
       [ -n "$BOX_PORT" ] || BOX_PORT=5000
       _savedeployconf BOX_USER "$BOX_USER" base64
       _savedeployconf BOX_PASSWORD "$BOX_PASSWORD"
       _savedeployconf BOX_PORT "$BOX_PORT"
       _savedomainconf Le_Deploy_box_runs "$((Le_Deploy_box_runs + 1))"
       _saveaccountconf_mutable BOX_ACCOUNT "for all"
       echo "$BOX_USER:$BOX_PASSWORD:$BOX_PORT:$Le_Deploy_box_runs:$(_readaccountconf_mutable BOX_ACCOUNT)" >> "$OUT/out"`,
      { shell, env: { BOX_USER: "ann", BOX_PASSWORD: "it's $(secret)" } },
    );
    const again = { ...world.tools, env: { PATH, OUT: world.folder } };
    await world.want([
      { "acme.sh": "box", scripts: world.folder, variables: { OUT: world.folder } },
    ]);
    expect(await world.deploy()).toBeUndefined();
    await deployCertificate(await world.read(), { all: true }, again);
    expect(await said(world)).toBe(
      "ann:it's $(secret):5000::for all\nann:it's $(secret):5000:1:for all\n",
    );
    expect(await memory(world)).toMatchObject({ SAVED_BOX_USER: "ann", Le_Deploy_box_runs: "2" });
    expect(JSON.stringify(await world.read()), "is not encrypted in PostgreSQL").not.toMatch(
      /secret/,
    );
    await removeCertificate("shop", world.tools.store, never);
    expect(await memory(world)).toBeUndefined();
  },
);

test("variables of the step come from references and are not saved in the state", async () => {
  const world = await withScript(
    `_getdeployconf BOX_PASSWORD
     _savedeployconf BOX_PASSWORD "$BOX_PASSWORD"
     _savedeployconf BOX_REALM "$(printf '%s' "$BOX_PASSWORD" | cut -c 1-3)"
     _err "The box refused the password $BOX_PASSWORD."`,
    { variables: { BOX_PASSWORD: "file:password" } },
  );
  await writeFile(world.at("password"), "correct horse\n");
  const problem = await world.deploy();
  expect(problem?.message).toMatch(/The deploy script \S+box.sh failed with exit code 1/);
  expect(problem?.message).toContain("The box refused the password ***.");
  expect(await memory(world)).toEqual({ SAVED_BOX_REALM: "cor" });
  expect(world.masked).toContain("correct horse");
  const [state] = await world.states();
  expect(state).toMatchObject({ state: "failed", detail: expect.not.stringContaining("horse") });
});

test("nothing of a deploy script is left in the temporary folder", async () => {
  const world = await withScript('_mktemp > "$OUT/out"', { variables: {} });
  await world.want([{ "acme.sh": "box", scripts: world.folder, variables: { OUT: world.folder } }]);
  await world.deploy();
  const [folder = ""] = /acmectl-deploy-\d+-\w+/.exec(await said(world)) ?? [];
  expect(folder).not.toBe("");
  expect(await readdir(tmpdir())).not.toContain(folder);
});

test("what a killed deploy script left in the temporary folder is removed by the next one", async () => {
  const world = await withScript("true");
  const dead = spawnSync("true").pid;
  const made = ["dead", "recent", "running"].map((name) =>
    mkdtempSync(
      join(tmpdir(), `acmectl-deploy-${name === "running" ? process.pid : dead}-${name}`),
    ),
  );
  onTestFinished(() => made.forEach((path) => rmSync(path, { recursive: true, force: true })));
  const [killed = "", recent, running = ""] = made;
  writeFileSync(join(killed, "password"), "horse");
  const hoursAgo = new Date(Date.now() - 2 * 3_600_000);
  for (const path of [killed, running]) utimesSync(path, hoursAgo, hoursAgo);
  expect(await world.deploy()).toBeUndefined();
  expect(made.filter((path) => existsSync(path))).toEqual([recent, running]);
});

test.runIf(process.geteuid?.() === 0)(
  "root does not run a deploy script that others can write or replace",
  async () => {
    const world = await withScript("echo ran >> $OUT/out");
    const script = world.at("box.sh");
    await world.want([
      { "acme.sh": "box", scripts: world.folder, variables: { OUT: world.folder } },
    ]);
    const refused = async (part: string) => {
      const problem = await world.deploy();
      expect(problem?.message).toContain(`users other than root can change ${part}`);
      execFileSync("/bin/sh", ["-c", /chown .*/.exec(problem?.hint ?? "")?.[0] ?? "false"]);
    };
    await chmod(script, 0o666);
    await refused(script);
    await chown(script, 1234, 1234);
    await refused(script);
    await chmod(world.folder, 0o777);
    await refused(world.folder);
    expect(await world.deploy()).toBeUndefined();
    expect(await said(world)).toBe("ran\n");
  },
);

test("a deploy script that is missing, or has no function of its name, is reported", async () => {
  const world = await withScript("true");
  await world.want([{ "acme.sh": "synology_dsm", scripts: world.folder }]);
  expect((await world.deploy())?.message).toBe(
    `The deploy script synology_dsm of acme.sh was not found in ${world.folder}.`,
  );
  await writeFile(world.at("other.sh"), "box_deploy() { true; }\n");
  await world.want([{ "acme.sh": "other", scripts: world.folder }]);
  expect((await world.deploy())?.message).toContain("other.sh has no function other_deploy.");
  await world.want([{ "acme.sh": "/none/secret.sh" }]);
  expect((await world.deploy())?.message).toBe(
    "The deploy script /none/secret.sh of acme.sh was not found.",
  );
});

test("acme.sh's functions for texts, numbers and digests do what their names say", async () => {
  const text = "a b/ü&=~\n";
  const hex = Buffer.from(text).toString("hex");
  const calls: readonly (readonly [string, string])[] = [
    [`printf '%s\\n' 'a b/ü&=~' | _url_encode`, "a%20b%2f%c3%bc%26%3d~%0a"],
    [`printf '%s\\n' 'a b/ü&=~' | _url_encode upper-hex`, "a%20b%2F%C3%BC%26%3D~%0A"],
    [`printf '%s\\n' 'a b/ü&=~' | _base64`, Buffer.from(text).toString("base64")],
    [`printf '%s\\n' 'a b/ü&=~' | _base64 | _dbase64`, text.trim()],
    [`printf '%s\\n' 'a b/ü&=~' | _hex_dump | tr -d ' '`, hex],
    [`printf ${hex} | _h2b`, text.trim()],
    [`printf abc | _digest sha256 hex`, createHash("sha256").update("abc").digest("hex")],
    [`printf abc | _digest sha1`, createHash("sha1").update("abc").digest("base64")],
    [
      `printf abc | _hmac sha256 6b6579 hex`,
      createHmac("sha256", "key").update("abc").digest("hex"),
    ],
    [`printf '{ "a" : "b",\\n  "c" : [] }' | _normalizeJson`, `{ "a":"b","c":[] }`],
    [`printf 'a "b"\\nc' | _json_encode`, String.raw`a \"b\"\nc\n`],
    [`printf 'https:\\/\\/x' | _json_decode`, "https://x"],
    [`_getfield a:b:c 2 :`, "b"],
    [`_math 3 + 4`, "7"],
    [`printf aBc | _upper_case; printf aBc | _lower_case`, "ABCabc"],
    [`printf 'x12y345' | _egrep_o '[0-9]+' | _tail_n 1`, "345"],
    [`_contains hello ell && _startswith hello he && _endswith hello lo && echo yes`, "yes"],
    [
      `_exists sh && ! _exists no-such-program && _isEccKey ec-256 && ! _isEccKey 2048 && echo yes`,
      "yes",
    ],
    [`_date2time 2022-04-01T08:10:33Z`, "1648800633"],
    [
      `printf 'a=1\\n#b=2\\n' > f; _setopt f a = 'x&|y'; _setopt f b = 3; _setopt f c = 4 \\;; cat f`,
      "a=x&|y\nb=3\nc=4;",
    ],
    [`_sed_i s/x/z/ f; head -n 1 f`, "a=z&|y"],
    [`_debug "not shown"; _secure_debug key value; _info done value`, "done='value'"],
    [
      `_migratedeployconf old BOX_NEW; _savedomainconf old 1; _migratedeployconf old BOX_NEW; _getdeployconf BOX_NEW; echo "$BOX_NEW"`,
      "1",
    ],
    [`BOX_QUOTED='"a b"'; _getdeployconf BOX_QUOTED; echo "$BOX_QUOTED"`, "a b"],
  ];
  const lines = calls.map(([call], index) => `(${call}) > ${index}`);
  const world = await withScript(`cd "$OUT"\n${lines.join("\n")}`);
  await world.want([{ "acme.sh": "box", scripts: world.folder, variables: { OUT: world.folder } }]);
  expect(await world.deploy()).toBeUndefined();
  const outputs = await Promise.all(calls.map((_, index) => said(world, String(index))));
  expect(outputs.map((output) => output.replace(/\n$/, ""))).toEqual(calls.map(([, out]) => out));
});

interface Seen {
  readonly line: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}
const seen: Seen[] = [];
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => (body += String(chunk)));
  request.on("end", () => {
    const { method = "", url = "", headers } = request;
    seen.push({ line: `${method} ${url}`, headers, body });
    response
      .writeHead(url === "/404" ? 404 : 200, { "x-token": "t0ken" })
      .end(`answer to ${method}`);
  });
});
await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
afterAll(() => server.close());

test.each(["curl", "wget"])("acme.sh's functions for HTTP work by %s", async (program) => {
  if (find(program) === undefined) return;
  seen.length = 0;
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  const world = await withScript("");
  await writeFile(
    world.at("box.sh"),
    `box_deploy() {
      export _H1="X-Api-Key: k3y" _H2="Accept: */*"
      { _get "$URL/one?a=[1]"; echo; grep -i '^x-token' "$HTTP_HEADER"
        _post "$(cat "$2")" "$URL/two" "" PUT "text/x-pem"; echo
        _post "a=b c" "$URL/404"; echo " $?"
        _post "" "$URL/three" "" DELETE; echo
        _post "x" "$URL/four" needbase64; echo
        _get "$URL/head" onlyheader | grep -ci '^x-token'; } > "$OUT/out"
      _get http://127.0.0.1:1/ || return 7
    }\n`,
  );
  const variables = { OUT: world.folder, URL: url, ACME_USE_WGET: program === "wget" ? "1" : "" };
  await world.want([{ "acme.sh": "box", scripts: world.folder, variables }]);
  expect((await world.deploy())?.message).toMatch(
    new RegExp(
      `failed with exit code 7[^]*${program} failed with exit code \\d+ for http://127.0.0.1:1/`,
    ),
  );
  expect((await said(world)).replaceAll("\r", "").split("\n")).toEqual([
    "answer to GET",
    "x-token: t0ken",
    "answer to PUT",
    "answer to POST 0",
    "answer to DELETE",
    "YW5zd2VyIHRvIFBPU1Q=",
    "1",
    "",
  ]);
  const lines = [
    "GET /one?a=[1]",
    "PUT /two",
    "POST /404",
    "DELETE /three",
    "POST /four",
    "HEAD /head",
  ];
  expect(seen.map(({ line }) => decodeURI(line))).toEqual(lines);
  expect(seen.every(({ headers }) => headers["x-api-key"] === "k3y")).toBe(true);
  expect(seen[1]).toMatchObject({ headers: { "content-type": "text/x-pem" } });
  expect(seen[1]?.body).toContain("PRIVATE KEY");
  expect(seen[2]?.body).toBe("a=b c");
  expect(seen[3]?.body).toBe("");
});
