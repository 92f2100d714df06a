/** How acmectl authenticates, and which certificates it trusts. */
import { createHmac, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { Problem } from "acmectl/plugin";
import { openMask, systemReason } from "acmectl/plugin/http";
import type { WebhookOptions } from "./options.ts";

export interface Credentials {
  headersFor(body: string): Readonly<Record<string, string>>;
  readonly tls: Readonly<Record<"ca" | "cert" | "key", string | undefined>>;
  /** Masks the secrets in a response. */
  readonly mask: (text: string) => string;
}

/** Reads the files and checks the options. Rejects with a Problem of kind `config`. */
export async function checkedCredentials(options: WebhookOptions): Promise<Credentials> {
  assertPairs(options);
  const { username, password, token, headers, secretHeaders, hmacSecret, hmacHeader } = options;
  const given = Object.entries({ ...headers, ...secretHeaders });
  const fields = Object.fromEntries(given.map(([name, value]) => [name.toLowerCase(), value]));
  const mask = openMask();
  if (username !== undefined) {
    const pair = Buffer.from(`${username}:${password}`).toString("base64");
    fields["authorization"] = `Basic ${pair}`;
    mask.add(pair);
  }
  if (token !== undefined) fields["authorization"] = `Bearer ${token}`;
  for (const [name, value] of Object.entries(fields)) assertField(name, value);
  assertField(hmacHeader, "");
  for (const secret of [password, token, hmacSecret, ...Object.values(secretHeaders ?? {})])
    if (secret !== undefined) mask.add(secret);
  return {
    headersFor(body) {
      if (hmacSecret === undefined) return fields;
      const signature = createHmac("sha256", hmacSecret).update(body).digest("hex");
      return { ...fields, [hmacHeader]: `sha256=${signature}` };
    },
    tls: await tlsOf(options),
    mask: mask.text,
  };
}

function assertPairs(options: WebhookOptions): void {
  needs(options, "username", "password");
  needs(options, "password", "username");
  needs(options, "clientCertificate", "clientKey");
  needs(options, "clientKey", "clientCertificate");
  if (options.token !== undefined && options.username !== undefined)
    throw wrong("both token and username are set", "Remove one of them.");
  const { username, password, pathname } = new URL(options.url);
  if (username !== "" || password !== "")
    throw wrong(
      `the URL has credentials (…@${new URL(options.url).host}${pathname})`,
      "Move them to username and password, since URLs are logged.",
    );
}

function needs(options: WebhookOptions, one: keyof WebhookOptions, other: typeof one): void {
  if (options[one] === undefined || options[other] !== undefined) return;
  throw wrong(`${one} is set without ${other}`, `Set ${other} too, or remove ${one}.`);
}

function wrong(what: string, hint: string): Problem {
  return new Problem("config", { detail: `The webhook solver: ${what}.`, hint });
}

/** RFC 9110 §5.1 and §5.5. The value is not shown: it may be a secret. */
function assertField(name: string, value: string): void {
  if (/^[!#$%&'*+.^_`|~\w-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return;
  throw wrong(
    `the header field ${JSON.stringify(name)} cannot be sent`,
    "Use letters, digits and dashes in names, and no line breaks or other control characters in values.",
  );
}

async function tlsOf(options: WebhookOptions): Promise<Credentials["tls"]> {
  const ca = await read(options, "caBundle");
  const cert = await read(options, "clientCertificate");
  const key = await read(options, "clientKey");
  if (ca !== undefined) parsed(() => new X509Certificate(ca), `caBundle (${options.caBundle})`);
  if (cert !== undefined && key !== undefined) {
    const files = `${options.clientCertificate} and ${options.clientKey}`;
    parsed(() => createSecureContext({ cert, key }), `clientCertificate and clientKey (${files})`);
  }
  return { ca, cert, key };
}

async function read(
  options: WebhookOptions,
  name: "caBundle" | "clientCertificate" | "clientKey",
): Promise<string | undefined> {
  const path = options[name];
  if (path === undefined) return undefined;
  return readFile(path, "utf8").catch((error: unknown) => {
    const what = `${name} ${path} cannot be read: ${systemReason(error)}`;
    throw wrong(what, "Give a PEM file that this user can read.");
  });
}

function parsed(parse: () => unknown, what: string): void {
  try {
    parse();
  } catch {
    throw wrong(
      `${what} cannot be used`,
      "Give PEM files, and a key without passphrase that belongs to the certificate.",
    );
  }
}
