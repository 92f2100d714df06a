import { createPrivateKey, X509Certificate } from "node:crypto";
import type { Ca } from "../acme/acme.ts";
import { caName, isEmbedded, traitsOf } from "../acme/presets.ts";
import { type CaOptions, openCa } from "../acme/ca.ts";
import { isPem, withLineBreaks } from "../acme/pem.ts";
import { limitsOf } from "../acme/limits.ts";
import type { CertificateRequest, DnsSetting, IssuerSetting } from "../certificate.ts";
import type { Dns } from "../dns/dns.ts";
import { openDns } from "../dns/dns.ts";
import { isYes, quotedWord } from "../options/words.ts";
import { Problem } from "../problem.ts";
import type { Store } from "../state/store.ts";
import { userAgent } from "../version.ts";
import type { Context } from "../context.ts";
import { readGivenFile } from "../request/given-file.ts";
import { countedCa } from "./counted.ts";
import { bindingOf, zerosslBinding } from "./binding.ts";
import { openEmbedded, type EmbeddedOptions, type OpenIssuer } from "./embedded.ts";
import { openSolverSet } from "../solvers/open.ts";
import { openRecord } from "../issue/record.ts";
import { noHooks, trueTime, type AroundIssue, type IssueTools } from "../issue/tools.ts";

export interface ToolsOptions {
  readonly store: Store;
  /** Milliseconds to wait for another run that holds a lock; ten minutes when absent. */
  readonly lockTimeout?: number | undefined;
  /** Hooks; none when absent. */
  readonly around?: AroundIssue;
  /** For the embedded CA (`--server local`). */
  readonly local?: EmbeddedOptions;
}

/** Open everything that requests to one issuer need. No request is made and no solver created yet. */
export async function openTools(
  issuer: IssuerSetting,
  requests: readonly CertificateRequest[],
  context: Context,
  options: ToolsOptions,
): Promise<IssueTools> {
  const { store, lockTimeout = 10 * 60_000, local, around = noHooks } = options;
  const eab = await bindingOf(issuer, context);
  const fetchEab = await zerosslBinding(issuer, store, context);
  const caBundle = issuer.caBundle === undefined ? undefined : await readBundle(issuer.caBundle);
  const client = await clientOf(issuer);
  const limits = limitsOf(issuer.server, issuer.limits);
  const opened = isEmbedded(issuer.server)
    ? await openEmbedded(requests, context, store, local)
    : openRemote(issuer, { caBundle, client, pace: limits.requestsPerWorker }, context);
  let others: ToolsPool | undefined;
  const dns = dnsCache();
  const solvers = openSolverSet({ ...context, ...opened.context }, store, dns);
  const { log, clock, signal, redact } = context;
  const ca = traitsOf(issuer.server).limits
    ? countedCa(opened.ca, { limits, store, clock: byCa(clock, opened.ca), log })
    : opened.ca;
  return {
    ca,
    store,
    solvers,
    dns,
    log,
    redact,
    clock,
    signal,
    eab,
    fetchEab,
    askConsent: context.interactive ? consentBy(context, issuer.server) : undefined,
    lockTimeout,
    around,
    record: openRecord(clock.now(), context),
    selfCheckAt: opened.selfCheckAt,
    other(issuer) {
      others ??= openPool(requests, context, options);
      return others.open(issuer);
    },
    async close() {
      await others?.close();
      await solvers.close();
      await (ca === opened.ca ? opened.close() : ca.close());
    },
  };
}

/** Asks once, however many certificates wait for the account. */
function consentBy(context: Context, server: string): (terms: string) => Promise<boolean> {
  let answer: Promise<string> | undefined;
  return async (terms) => {
    answer ??= context.ask(
      `The terms of service of ${caName(server)}: ${terms}\nDo you agree? [y/N]`,
    );
    return isYes(await answer);
  };
}

/** What is kept about limits must not be lost to a wrong clock. */
function byCa(clock: Context["clock"], ca: Ca): Context["clock"] {
  return { ...clock, now: () => trueTime({ clock, ca }) };
}

/** The tools of several issuers, each opened once and only when something needs it. */
export interface ToolsPool {
  open(issuer: IssuerSetting): Promise<IssueTools>;
  close(): Promise<void>;
}

export function openPool(
  requests: readonly CertificateRequest[],
  context: Context,
  options: ToolsOptions,
): ToolsPool {
  const pool = new Map<string, Promise<IssueTools>>();
  return {
    open(issuer) {
      const key = keyOf(issuer);
      const known = pool.get(key);
      if (known !== undefined) return known;
      const served = requests.filter(({ issuer, issuers = [issuer] }) =>
        issuers.some((one) => keyOf(one) === key),
      );
      const tools = openTools(issuer, served, context, options);
      pool.set(key, tools);
      return tools;
    },
    async close() {
      await Promise.allSettled([...pool.values()].map(async (tools) => (await tools).close()));
    },
  };
}

function keyOf(issuer: IssuerSetting): string {
  const { server, caBundle, clientCert, eabKid, email, limits } = issuer;
  return JSON.stringify([server, caBundle, clientCert, eabKid, email, limits]);
}

/** The options with which a pasted command line finds the same CA, and the same account of it. A text becomes `FILE`. */
export function caFlags({
  server,
  caBundle,
  clientCert,
  clientKey,
}: Pick<IssuerSetting, "server" | "caBundle" | "clientCert" | "clientKey">): string {
  const files = { "--ca-bundle": caBundle, "--client-cert": clientCert, "--client-key": clientKey };
  const given = Object.entries(files).flatMap(([flag, path]) =>
    path === undefined ? [] : [flag, isPem(path) ? "FILE" : path],
  );
  return ["--server", server, ...given].map(quotedWord).join(" ");
}

function openRemote(
  issuer: IssuerSetting,
  settings: Pick<CaOptions, "caBundle" | "client" | "pace">,
  context: Context,
): OpenIssuer {
  const { env, log, clock, redact } = context;
  const flags = caFlags(issuer);
  const ca = openCa({ url: issuer.server, flags, userAgent, env, log, clock, redact, ...settings });
  return { ca, close: () => ca.close() };
}

async function readBundle(path: string): Promise<string> {
  const text = await pemAt(path, "The CA bundle");
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new Problem("config", {
    detail: `The CA bundle${isPem(path) ? "" : ` ${path}`} does not contain a certificate in PEM form.`,
    hint: "Give a PEM file with the root certificates to trust beside the usual ones.",
  });
}

async function pemAt(path: string, named: string): Promise<string> {
  return isPem(path) ? withLineBreaks(path) : (await readGivenFile(path, named)).toString("utf8");
}

async function clientOf({ clientCert, clientKey }: IssuerSetting): Promise<CaOptions["client"]> {
  if (clientCert === undefined && clientKey === undefined) return undefined;
  if (clientCert === undefined || clientKey === undefined)
    throw new Problem("usage", {
      detail: `A client certificate needs a certificate and a key; ${clientCert === undefined ? "the certificate" : "the key"} is missing.`,
      hint: "Give both --client-cert FILE and --client-key FILE.",
    });
  const certificate = await pemAt(clientCert, "The client certificate");
  const key = await pemAt(clientKey, "The key of the client certificate");
  const [shownCert, shownKey] = [clientCert, clientKey].map((path) => (isPem(path) ? "PEM" : path));
  const leaf = parsed(`--client-cert: ${shownCert}`, "a certificate in PEM form", () => {
    return new X509Certificate(certificate);
  });
  const own = parsed(
    `--client-key: ${shownKey}`,
    "a private key in PEM form without a passphrase",
    () => createPrivateKey(key),
  );
  if (leaf.checkPrivateKey(own)) return { certificate, key };
  throw new Problem("config", {
    detail: `--client-key: ${shownKey} is not the private key of the certificate in --client-cert: ${shownCert}.`,
    hint: "Give --client-cert a certificate with its chain, and --client-key its private key.",
  });
}

function parsed<T>(named: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new Problem("config", { detail: `${named} is not ${what}.`, hint: clientHint, cause });
  }
}

const clientHint =
  "Give --client-cert a certificate with its chain, and --client-key its private key without a passphrase, both in PEM form.";

/** The DNS as each setting wants it asked. */
export function dnsCache(): (setting: DnsSetting) => Dns {
  const open = new Map<string, Dns>();
  return (setting) => {
    const settings = {
      resolvers: setting.resolvers ?? [],
      authoritative: setting.authoritative ?? true,
      recursive: setting.recursive ?? false,
      authoritativePort: setting.authoritativePort ?? 53,
      queryTimeout: 5_000,
    };
    const key = JSON.stringify(settings);
    const dns = open.get(key) ?? openDns(settings);
    open.set(key, dns);
    return dns;
  };
}
