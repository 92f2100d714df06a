/** What other clients leave behind, as their own folders have it: the layouts of certbot 5.8, lego 4.9 and acme.sh 3.1. */
import { createHash, createPrivateKey } from "node:crypto";
import { lstat, mkdir, readFile, readdir, readlink, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** An account and a certificate of a real CA. */
export interface Material {
  directory: string;
  accountUrl: string;
  /** PKCS#8 PEM. */
  accountKey: string;
  names: readonly string[];
  certificate: string;
  chain: string;
  key: string;
}

/** Read from a state folder of acmectl's. */
export async function materialIn(state: string, name: string): Promise<Material> {
  const folder = join(state, "certificates", name, "current");
  const meta = JSON.parse(await readFile(join(folder, "meta.json"), "utf8")) as {
    directory: string;
    account: string;
    identifiers: { value: string }[];
  };
  const [accounts = ""] = await readdir(join(state, "accounts"));
  const place = join(state, "accounts", accounts, meta.account);
  const account = JSON.parse(await readFile(join(place, "account.json"), "utf8")) as {
    url: string;
  };
  const text = (path: string) => readFile(path, "utf8");
  return {
    directory: meta.directory,
    accountUrl: account.url,
    accountKey: await text(join(place, "key.pem")),
    names: meta.identifiers.map(({ value }) => value),
    certificate: await text(join(folder, "cert.pem")),
    chain: await text(join(folder, "chain.pem")),
    key: await text(join(folder, "privkey.pem")),
  };
}

export interface Lines {
  /** Below `[renewalparams]`, or the lines of a domain's `.conf`. */
  settings?: readonly string[];
}

export async function writeCertbot(
  folder: string,
  name: string,
  { directory, accountUrl, accountKey, certificate, chain, key }: Material,
  { settings = ["authenticator = standalone"] }: Lines = {},
): Promise<void> {
  const { host, pathname } = new URL(directory);
  const account = join(folder, "accounts", host, pathname, "0123456789abcdef0123456789abcdef");
  const jwk = createPrivateKey(accountKey).export({ format: "jwk" });
  await put(join(account, "private_key.json"), JSON.stringify(jwk));
  await put(join(account, "regr.json"), JSON.stringify({ body: {}, uri: accountUrl }));
  await put(join(account, "meta.json"), '{"creation_dt": "2026-01-01T00:00:00Z"}');
  const pems = { cert: certificate, chain, fullchain: certificate + chain, privkey: key };
  for (const [kind, text] of Object.entries(pems)) {
    await put(join(folder, "archive", name, `${kind}1.pem`), text);
    await mkdir(join(folder, "live", name), { recursive: true });
    await symlink(
      `../../archive/${name}/${kind}1.pem`,
      join(folder, "live", name, `${kind}.pem`),
    ).catch(() => {});
  }
  const lines = [
    "# renew_before_expiry = 30 days",
    "version = 5.8.0",
    `archive_dir = /nowhere/archive/${name}`,
    ...Object.keys(pems).map((kind) => `${kind} = /nowhere/live/${name}/${kind}.pem`),
    "",
    "# Options used in the renewal process",
    "[renewalparams]",
    "account = 0123456789abcdef0123456789abcdef",
    `server = ${directory}`,
    "key_type = ecdsa",
    ...settings,
  ];
  await put(join(folder, "renewal", `${name}.conf`), `${lines.join("\n")}\n`);
}

export async function writeLego(
  folder: string,
  name: string,
  { directory, accountUrl, accountKey, certificate, chain, key }: Material,
): Promise<void> {
  const server = new URL(directory).host.replaceAll(":", "_");
  const email = "ops@example.com";
  const account = join(folder, "accounts", server, email);
  const registration = { body: { status: "valid" }, uri: accountUrl };
  await put(join(account, "account.json"), JSON.stringify({ email, registration }));
  await put(join(account, "keys", `${email}.key`), sec1(accountKey));
  const place = join(folder, "certificates", name.replace("*", "_"));
  const certUrl = `${new URL(directory).origin}/certificate/1`;
  await put(`${place}.crt`, `${certificate}\n${chain}`);
  await put(`${place}.issuer.crt`, chain);
  await put(`${place}.key`, sec1(key));
  await put(`${place}.json`, JSON.stringify({ domain: name, certUrl, certStableUrl: certUrl }));
}

export async function writeAcmeSh(
  folder: string,
  name: string,
  { directory, accountUrl, accountKey, names, certificate, chain, key }: Material,
  { settings = ["Le_Webroot='no'"] }: Lines = {},
): Promise<void> {
  const { hostname, pathname } = new URL(directory);
  const account = join(folder, "ca", hostname, pathname);
  await put(join(account, "account.key"), sec1(accountKey));
  await put(join(account, "account.json"), '{"status":"valid"}');
  await put(
    join(account, "ca.conf"),
    `CA_EMAIL='ops@example.com'\nACCOUNT_URL='${accountUrl}'\nCA_KEY_HASH='x='\n`,
  );
  const domain = join(folder, `${name}_ecc`);
  const [, ...others] = names;
  const lines = [
    `Le_Domain='${name}'`,
    `Le_Alt='${others.join(",") || "no"}'`,
    `Le_API='${directory}'`,
    "Le_Keylength='ec-256'",
    "Le_LinkCert='https://127.0.0.1/certificate/1'",
    ...settings,
  ];
  await put(join(domain, `${name}.conf`), `${lines.join("\n")}\n`);
  await put(join(domain, `${name}.cer`), certificate);
  await put(join(domain, "ca.cer"), `\n${chain}`);
  await put(join(domain, "fullchain.cer"), `${certificate}\n${chain}`);
  await put(join(domain, `${name}.key`), sec1(key));
}

/** Path → mode, time and content of everything below, to see that nothing was touched. */
export async function fingerprint(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true });
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry);
      const { mode, mtimeMs } = await lstat(path);
      const content = await readFile(path).catch(() => readlink(path).catch(() => ""));
      const hash = createHash("sha256").update(content).digest("hex");
      return [entry, `${mode.toString(8)} ${mtimeMs} ${hash}`] as const;
    }),
  );
  return Object.fromEntries(found.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

export async function put(path: string, text: string, mode = 0o600): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text, { mode });
}

/** EC PRIVATE KEY, as lego and openssl's old tools write it. */
function sec1(pem: string): string {
  return createPrivateKey(pem).export({ type: "sec1", format: "pem" }).toString();
}
