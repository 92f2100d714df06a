/** Scripts in the manner of public ones for certbot, lego and acme.sh, and how the files that they write are compared. */
import { createPrivateKey } from "node:crypto";
import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

export const hookClients = ["certbot", "lego", "acme.sh"] as const;
export type HookClient = (typeof hookClients)[number];

const folder = (client: HookClient) =>
  new URL(`fixtures/hooks/${client}/`, import.meta.url).pathname;

export const hooksOf = (client: HookClient) => readdir(folder(client));

/** One command that runs them all; each writes into a folder of its own below `out`. */
export async function runnerOf(client: HookClient, out: string): Promise<string> {
  const names = await hooksOf(client);
  await Promise.all(names.map((name) => mkdir(join(out, name), { recursive: true })));
  return names
    .map((name) => `OUT='${join(out, name)}' '${join(folder(client), name)}'`)
    .join(" && ");
}

/** Path → mode and content; PEM in one form, since clients write the same key in several. */
export async function filesBelow(out: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of (await readdir(out, { recursive: true })).toSorted()) {
    const path = join(out, entry);
    const { mode } = await stat(path);
    if ((await stat(path)).isDirectory()) continue;
    const text = (await readFile(path, "utf8")).replaceAll(block, canonical);
    found[entry] =
      `${isKey(entry) ? (mode & 0o777).toString(8) : ""}\n${text.replaceAll(/\n+/g, "\n").trim()}`;
  }
  return found;
}

/** Only scripts that set a mode are compared by it. */
const isKey = (entry: string) =>
  /haproxy\.pem$|per-domain/.test(entry) && !entry.startsWith("haproxy.sh/haproxy");
const block = /-----BEGIN ([A-Z ]+)-----[^-]+-----END \1-----/g;

function canonical(pem: string, label: string): string {
  if (!label.endsWith("PRIVATE KEY")) return pem.replaceAll(/\s+/g, "");
  return createPrivateKey(pem).export({ type: "pkcs8", format: "pem" }).toString();
}
