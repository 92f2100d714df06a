import { existsSync } from "node:fs";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { expect, test } from "vitest";
import { splitWords } from "../../src/options/words.ts";
import { schedulerPath } from "../support/scheduled.ts";
import { available, program } from "../support/servers/catalog.ts";
import { startChallengeDns } from "../support/servers/challtestsrv.ts";
import { startPebble } from "../support/servers/pebble.ts";
import { freePort, startProcess } from "../support/servers/process.ts";
import { acmectl } from "../support/spawn.ts";
import { temporaryFolder } from "../support/state.ts";
import { openTerminal } from "../support/terminal.ts";

const isAvailable = available("nginx") && available("pebble") && available("shells");
/** As root it would install units for the real systemd. */
const isSafe = !(existsSync("/run/systemd/system") && process.getuid?.() === 0);

/** A schedule is refused if it would start what is in one. */
const isTemporary = /^\/(var\/)?tmp\//.test(import.meta.filename);

test.skipIf(!isAvailable || !isSafe)(
  "setup leads from an nginx with two sites to a certificate that it serves and a schedule, and its command line repeats it",
  async () => {
    await using folder = await temporaryFolder();
    const at = (path: string) => join(folder.path, path);
    await mkdir(at("home"));
    const httpPort = await freePort();
    const dns = await startChallengeDns();
    const pebble = await startPebble({ httpPort, dnsServer: dns.dnsServer });
    const tlsPort = await freePort();
    const nginx = await startNginx(httpPort, at);
    // Without a state at first, and without a config.
    const home = { HOME: at("home"), PATH: `${at("bin")}:${schedulerPath}` };
    const terminal = await openTerminal("bash", "", at("state"), "", home);
    const shows = (text: string | RegExp) =>
      expect.poll(async () => terminal.screen(), { timeout: 20_000 }).toMatch(text);
    let answers = 0;
    const answer = async (question: RegExp, ...keys: readonly string[]) => {
      await shows(question);
      await terminal.type(...keys);
      answers += 1;
    };
    try {
      await shows(/ready>/);
      const local = `127.0.0.1:${httpPort}`;
      const ca = `--server ${pebble.directoryUrl} --ca-bundle ${pebble.rootFile}`;
      const where = `--self-check-at ${local} --local-http-port ${httpPort} --dns-resolvers ${dns.dnsServer}`;
      await terminal.type(`acmectl setup ${ca} ${where}`, "Enter");
      await answer(/Which names/, "shop.example.test,blog.example.test", "Enter");
      await answer(/Which email address/, "Enter");
      await answer(/Do you agree to the CA's terms/, "y");
      await shows(/nginx \(shop.example.test, blog.example.test\)/);
      // Left, and resumed with the answers so far.
      await shows(/How should acmectl prove/);
      await terminal.type("C-c");
      await shows(/Run `acmectl setup` again to continue[^]*ready>/);
      expect(JSON.parse(await readFile(at("state/setup.json"), "utf8"))).toEqual({
        domains: "shop.example.test,blog.example.test",
        email: "",
      });
      await terminal.type(`clear; acmectl setup ${ca} ${where}`, "Enter");
      await shows(/Continue with the answers/);
      await terminal.type("Enter");
      await shows(/Do you agree to the CA's terms/);
      await terminal.type("y");
      await answer(/How should acmectl prove/, "Enter");
      await answer(/Where should nginx read/, "Enter");
      await answer(/Should acmectl check and reload nginx/, "Enter");
      await answer(/Rehearse this/, "Enter");
      await shows(/Have you added them/);
      await addLines(at("state/certificates/shop.example.test/current"), tlsPort, at);
      await answer(/Have you added them/, "Enter");
      await answer(/Install the schedule/, "Enter");
      await shows(/certificates:\n[^]*ready>/);
      expect(answers).toBeLessThan(10);
      await expect
        .poll(() => servedAt(tlsPort), { timeout: 10_000 })
        .toBe("DNS:shop.example.test, DNS:blog.example.test");
      if (isTemporary) expect(await terminal.transcript()).toContain("is in the temporary folder");
      else expect(await readFile(at("home/crontab"), "utf8")).toContain("acmectl");
      expect(existsSync(at("state/setup.json"))).toBe(false);

      const transcript = await terminal.transcript();
      const [line = ""] =
        /acmectl issue .+(?=\n.*acmectl schedule install\n)/.exec(transcript) ?? [];
      const [, ...words] = splitWords(line) ?? [];
      const env = { ...home, ACMECTL_STATE: at("second"), ACMECTL_CONFIG: "" };
      const again = await acmectl(words, { env }).ended;
      expect(again.code, line + again.stderr).toBe(0);
      expect(again.stdout).toContain("Issued a certificate for");
    } catch (error) {
      throw new Error(await terminal.transcript(), { cause: error });
    } finally {
      await terminal.close();
      await nginx.close();
      await pebble.close();
      await dns.close();
    }
  },
);

/** Two sites, each with a folder of its own, and a program `nginx` on the PATH that is this one. */
async function startNginx(port: number, at: (path: string) => string) {
  const { file, env } = program("nginx");
  const site = (name: string) =>
    `server { listen 127.0.0.1:${port}; server_name ${name}.example.test; root ${at(name)}; }`;
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const paths = temporary.map((kind) => `${kind}_temp_path ${at(kind)};`).join(" ");
  await writeFile(
    at("nginx.conf"),
    `${process.getuid?.() === 0 ? "user root;" : ""}
pid ${at("nginx.pid")};
events {}
http {
  access_log off;
  ${paths}
  ${site("shop")}
  ${site("blog")}
}
`,
  );
  for (const name of ["shop", "blog", "bin"]) await mkdir(at(name));
  const libraries = Object.entries(env).map(([name, value]) => `${name}='${value}'`);
  await writeFile(
    at("bin/nginx"),
    `#!/bin/sh\n${libraries.join(" ")} exec '${file}' -c '${at("nginx.conf")}' -e '${at("error.log")}' "$@"\n`,
    { mode: 0o755 },
  );
  return startProcess({
    program: "nginx",
    args: ["-c", at("nginx.conf"), "-e", at("error.log"), "-g", "daemon off;"],
    ready: async () => (await stat(at("nginx.pid"))).size > 0,
  });
}

/** What setup shows, with another port than 443. */
async function addLines(
  current: string,
  port: number,
  at: (path: string) => string,
): Promise<void> {
  const text = await readFile(at("nginx.conf"), "utf8");
  const lines = `listen 127.0.0.1:${port} ssl; ssl_certificate ${current}/fullchain.pem; ssl_certificate_key ${current}/privkey.pem;`;
  await writeFile(at("nginx.conf"), text.replace("server_name shop", `${lines} server_name shop`));
}

/** The names of the certificate that is served there. */
async function servedAt(port: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.subjectAltName);
      socket.end();
    });
    socket.once("error", reject);
  });
}
