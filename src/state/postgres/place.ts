/** Where a state in PostgreSQL is: its URL, completed by the variables and files that libpq reads. */
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { ConnectionOptions } from "node:tls";
import { codeOf, systemReason } from "../../errors.ts";
import { isReference, readSecret } from "../../options/secret.ts";
import { Problem } from "../../problem.ts";
import type { StateTools } from "../tools.ts";
import { passwordFromFile } from "./password-file.ts";

export interface DatabasePlace {
  /** The URL without its password, for messages. */
  readonly where: string;
  readonly host: string;
  readonly port: number;
  /** Where it may be instead, e.g. after a fail-over, in the order given. */
  readonly others?: readonly DatabasePlace[] | undefined;
  readonly user: string;
  readonly database: string;
  readonly password: string | undefined;
  readonly tls: ConnectionOptions | false;
}

/** Parameters of the URL: libpq's name of each, and its variable. */
const variables = {
  host: "PGHOST",
  port: "PGPORT",
  dbname: "PGDATABASE",
  user: "PGUSER",
  password: "PGPASSWORD",
  passfile: "PGPASSFILE",
  sslmode: "PGSSLMODE",
  sslrootcert: "PGSSLROOTCERT",
  sslcert: "PGSSLCERT",
  sslkey: "PGSSLKEY",
  service: "PGSERVICE",
  target_session_attrs: "PGTARGETSESSIONATTRS",
} as const;
type Parameter = keyof typeof variables;
type Parameters = Readonly<Partial<Record<Parameter, string | undefined>>>;

/** Rejects with a `usage` Problem for a URL that cannot be used; its password is in no message. */
export async function placeOf(url: string, tools: StateTools): Promise<DatabasePlace> {
  const [first, ...others] = await Promise.all(eachHost(url).map((one) => onePlace(one, tools)));
  if (first === undefined) throw unusable("it has no host");
  return {
    ...first,
    others,
    where:
      others.length === 0
        ? first.where
        : first.where.replace(
            /@[^/]*/,
            `@${[first, ...others].map(({ host, port }) => `${host}:${port}`).join(",")}`,
          ),
  };
}

/** `postgres://user@one:5432,two:5433/database`: a URL for each host. */
function eachHost(url: string): readonly string[] {
  const parts = /^(\w+:\/\/(?:[^/?#]*@)?)([^/?#@]*,[^/?#@]*)(.*)$/s.exec(url);
  const [, before = "", hosts = "", after = ""] = parts ?? [];
  return parts === null ? [url] : hosts.split(",").map((host) => before + host + after);
}

async function onePlace(url: string, tools: StateTools): Promise<DatabasePlace> {
  const given = parametersOf(url);
  const serviceName = given.service ?? tools.env["PGSERVICE"];
  const service = serviceName === undefined ? {} : serviceOf(serviceName, tools.env);
  const setting = (name: Parameter) =>
    [given[name], service[name], tools.env[variables[name]]].find(
      (value) => value !== undefined && value !== "",
    );
  const host = setting("host") ?? "localhost";
  const port = Number(setting("port") ?? 5432);
  const user = setting("user") ?? tools.env["USER"] ?? userInfo().username;
  const database = setting("dbname") ?? user;
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw unusable("its port is not valid");
  const where = whereOf({ host, port, user, database }, url);
  const inFile = () => passwordFromFile({ host, port, user, database }, setting("passfile"), tools);
  const password = await secretOf(setting("password"), tools);
  const tls = tlsOf(host, setting);
  return { where, host, port, user, database, password: password ?? inFile(), tls };
}

function parametersOf(text: string): Parameters {
  // A URL with a user needs a host; libpq does not.
  const url = URL.parse(text.replace(/^(\w+:\/\/[^/?#]*@)(?=\/)/, "$1localhost"));
  if (url === null) throw unusable("it cannot be read as a URL");
  const unknown = [...url.searchParams.keys()].find((name) => !Object.hasOwn(variables, name));
  if (unknown !== undefined) throw unusable(`it has no parameter ${JSON.stringify(unknown)}`);
  const wanted = url.searchParams.get("target_session_attrs") ?? "read-write";
  if (!["read-write", "primary", "any"].includes(wanted))
    throw unusable("its target_session_attrs is not read-write: acmectl writes");
  return {
    host: decoded(url.hostname).replaceAll(/^\[|\]$/g, ""),
    port: url.port,
    user: decoded(url.username),
    password: decoded(url.password),
    dbname: decoded(url.pathname.slice(1)),
    ...Object.fromEntries(url.searchParams),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw unusable("it has a % that begins no character");
  }
}

/** A password may be in the URL, better by reference: `postgres://acmectl:env:DB_PASSWORD@host/db`. */
async function secretOf(text: string | undefined, tools: StateTools): Promise<string | undefined> {
  if (text === undefined) return undefined;
  const { env, cwd: folder, signal, mask } = tools;
  if (isReference(text))
    return readSecret(text, { env, folder, signal, mask, named: "The password of the state" });
  mask(text);
  return text;
}

type Named = Pick<DatabasePlace, "host" | "port" | "user" | "database">;

function whereOf({ host, port, user, database }: Named, text: string): string {
  const parameters = new URLSearchParams(/\?(.*)$/.exec(text)?.[1]);
  for (const name of ["password", "host", "port", "user", "dbname"]) parameters.delete(name);
  const server = host.startsWith("/") ? encodeURIComponent(host) : host;
  const shown = host.includes(":") ? `[${host}]` : server;
  const rest = parameters.size === 0 ? "" : `?${parameters.toString()}`;
  return `postgres://${encodeURIComponent(user)}@${shown}:${port}/${encodeURIComponent(database)}${rest}`;
}

/** Of `pg_service.conf`, the section of this name. */
function serviceOf(name: string, env: StateTools["env"]): Parameters {
  const home = env["HOME"];
  const path = env["PGSERVICEFILE"] ?? (home === undefined ? "" : join(home, ".pg_service.conf"));
  const lines = readFile(path, "the service file").split(/\r?\n/);
  const start = lines.findIndex((line) => line.trim() === `[${name}]`);
  if (start === -1) throw unusable(`${path} has no service ${name}`);
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => line.trim().startsWith("["));
  const own = end === -1 ? rest : rest.slice(0, end);
  const pairs = own.flatMap((line) => {
    const [, key = "", value = ""] = /^\s*([a-z]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    return Object.hasOwn(variables, key) ? [[key, value] as const] : [];
  });
  return Object.fromEntries(pairs);
}

/** Encrypted and verified unless the host is this one. There is no fallback to plain text. */
function tlsOf(
  host: string,
  setting: (name: Parameter) => string | undefined,
): ConnectionOptions | false {
  const mode = setting("sslmode") ?? (isLocal(host) ? "disable" : "verify-full");
  if (mode === "disable") return false;
  if (!["require", "verify-ca", "verify-full"].includes(mode))
    throw unusable(
      `its sslmode ${JSON.stringify(mode)} is not verify-full, verify-ca, require or disable`,
    );
  const pem = (name: "sslrootcert" | "sslcert" | "sslkey") => {
    const path = setting(name);
    return path === undefined || path === "system" ? undefined : readFile(path, name);
  };
  return {
    // The name that the certificate must have, also when it is an address.
    host,
    ca: pem("sslrootcert"),
    cert: pem("sslcert"),
    key: pem("sslkey"),
    // As for libpq, a root that was given is meant to be used.
    rejectUnauthorized: mode !== "require" || setting("sslrootcert") !== undefined,
    ...(mode === "verify-full" ? {} : { checkServerIdentity: () => undefined }),
  };
}

function isLocal(host: string): boolean {
  return /^(\/.*|localhost|127\.[\d.]+|::1)$/.test(host);
}

function readFile(path: string, what: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "") throw error;
    throw unusable(`${what} ${path} cannot be read: ${systemReason(error)}`);
  }
}

function unusable(why: string): Problem {
  return new Problem("usage", {
    detail: `The URL of the state is not usable: ${why}.`,
    hint: "Write postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full, with special characters as %XX; the password is read from PGPASSWORD, PGPASSFILE or ~/.pgpass.",
  });
}
