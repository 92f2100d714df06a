/** Who we are to the service, and whom we take it for. */
import { createHmac, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { Problem } from "acmectl/plugin";

export interface CredentialOptions {
  readonly url: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly secretHeaders: Readonly<Record<string, string>> | undefined;
  readonly clientCertificate: string | undefined;
  readonly clientKey: string | undefined;
  readonly hmacSecret: string | undefined;
  readonly hmacHeader: string;
  readonly caBundle: string | undefined;
}

export interface Credentials {
  /** Header fields of a request with this body. */
  headersFor(body: string): Readonly<Record<string, string>>;
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Hides everything secret in what the service says. */
  mask(text: string): string;
}

/** Reads files and checks that all fits together; rejects with a Problem of kind `config`. */
export async function checkedCredentials(options: CredentialOptions): Promise<Credentials> {
  assertPairs(options);
  const { username, password, token, headers, secretHeaders, hmacSecret, hmacHeader } = options;
  const given = Object.entries({ ...headers, ...secretHeaders });
  const fields = Object.fromEntries(given.map(([name, value]) => [name.toLowerCase(), value]));
  const secrets = [password, token, hmacSecret, ...Object.values(secretHeaders ?? {})];
  if (username !== undefined) {
    const pair = Buffer.from(`${username}:${password}`).toString("base64");
    fields["authorization"] = `Basic ${pair}`;
    secrets.push(pair);
  }
  if (token !== undefined) fields["authorization"] = `Bearer ${token}`;
  for (const [name, value] of Object.entries(fields)) assertField(name, value);
  assertField(hmacHeader, "");
  const hidden = secrets.filter((secret) => secret !== undefined && secret.length >= 4);
  return {
    headersFor(body) {
      if (hmacSecret === undefined) return fields;
      const signature = createHmac("sha256", hmacSecret).update(body).digest("hex");
      return { ...fields, [hmacHeader]: `sha256=${signature}` };
    },
    tls: await tlsOf(options),
    mask: (text) =>
      hidden.reduce<string>((masked, secret = "") => masked.replaceAll(secret, "***"), text),
  };
}

function assertPairs(options: CredentialOptions): void {
  needs(options, "username", "password");
  needs(options, "password", "username");
  needs(options, "clientCertificate", "clientKey");
  needs(options, "clientKey", "clientCertificate");
  if (options.token !== undefined && options.username !== undefined) {
    throw contradiction("both token and username are set", "Keep one of them.");
  }
  const { username, password, pathname } = new URL(options.url);
  if (username !== "" || password !== "") {
    throw contradiction(
      `there are credentials in the URL (…@${new URL(options.url).host}${pathname})`,
      "Give them as username and password: a URL stands in logs.",
    );
  }
}

function needs(options: CredentialOptions, one: keyof CredentialOptions, other: typeof one): void {
  if (options[one] === undefined || options[other] !== undefined) return;
  throw contradiction(`${one} is set without ${other}`, `Set ${other} too, or drop ${one}.`);
}

function contradiction(what: string, hint: string): Problem {
  return new Problem("config", { detail: `The webhook solver: ${what}.`, hint });
}

/** RFC 9110 §5.1 and §5.5. The value is not shown: it may be a secret. */
function assertField(name: string, value: string): void {
  if (/^[!#$%&'*+.^_`|~\w-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return;
  throw contradiction(
    `the header field ${JSON.stringify(name)} cannot be sent`,
    "Names are letters, digits and dashes; values have no line breaks or other control characters.",
  );
}

async function tlsOf(options: CredentialOptions): Promise<Credentials["tls"]> {
  const ca = await read(options, "caBundle");
  const cert = await read(options, "clientCertificate");
  const key = await read(options, "clientKey");
  if (ca !== undefined) parsed(() => new X509Certificate(ca), `caBundle (${options.caBundle})`);
  if (cert !== undefined && key !== undefined) {
    const files = `${options.clientCertificate} and ${options.clientKey}`;
    parsed(() => createSecureContext({ cert, key }), `clientCertificate and clientKey (${files})`);
  }
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

async function read(
  options: CredentialOptions,
  name: "caBundle" | "clientCertificate" | "clientKey",
): Promise<string | undefined> {
  const path = options[name];
  if (path === undefined) return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw contradiction(`${name} ${path} cannot be read: ${code}`, "Name a file in PEM.");
  }
}

function parsed(parse: () => unknown, what: string): void {
  try {
    parse();
  } catch {
    throw contradiction(
      `${what} cannot be used`,
      "They have to be in PEM, the key without a passphrase and belonging to the certificate.",
    );
  }
}
