/**
 * `npm run demo`: the main job on a fresh machine. The embedded CA validates a name over real http-01 on loopback and issues a
 * certificate; the files are shown, and the chain is verified by Node's own TLS against the CA's root.
 */
import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, connect } from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";

const program = new URL("../../bin/acmectl.js", import.meta.url).pathname;
const state = process.env["ACMECTL_STATE"] ?? mkdtempSync(join(tmpdir(), "acmectl-demo-"));
const name = "shop.example.test";
const line = [
  "issue",
  "-d",
  `${name},www.${name}`,
  "--server",
  "local",
  "--solver",
  "standalone",
  "--state",
  state,
];

console.log(`$ acmectl ${line.join(" ")}\n`);
const { status } = spawnSync(process.execPath, ["--conditions=source", program, ...line], {
  stdio: "inherit",
});
if (status !== 0) process.exit(status ?? 1);

const folder = join(state, "certificates", name, "current");
console.log(`\n$ ls -l ${folder}`);
for (const file of readdirSync(folder).toSorted()) {
  const { mode, size } = statSync(join(folder, file));
  console.log(`${(mode & 0o777).toString(8).padStart(4, "0")} ${String(size).padStart(6)} ${file}`);
}

const root = readFileSync(join(state, "test-ca", "root.pem"), "utf8");
const key = readFileSync(join(folder, "privkey.pem"));
const cert = readFileSync(join(folder, "fullchain.pem"));
const server = createServer({ key, cert }).listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const socket = connect({ host: "127.0.0.1", port, servername: name, ca: root }, () => {
    const { subject, validTo } = new X509Certificate(
      socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0),
    );
    console.log(
      `\nA TLS client that trusts only ${join(state, "test-ca", "root.pem")} accepts it for ${name}`,
    );
    console.log(
      `(${socket.getProtocol()}, valid until ${validTo}${subject === undefined ? "" : `, ${subject}`}).`,
    );
    socket.end();
    server.close();
  });
  socket.on("error", (error) => {
    console.error(`The chain was not accepted: ${error.message}`);
    process.exit(1);
  });
});
