import { assertBinding } from "../acme/session/accounts.ts";
import { openCa } from "../acme/ca.ts";
import type { Ca, ExternalAccountBinding } from "../acme/acme.ts";
import type { CertificateRequest, DnsSetting, IssuerSetting } from "../certificate.ts";
import type { Dns } from "../dns/dns.ts";
import { openDns } from "../dns/resolver.ts";
import { readSecret } from "../options/secret.ts";
import { Problem } from "../problem.ts";
import type { Store } from "../state/store.ts";
import { userAgent } from "../version.ts";
import type { Context } from "../context.ts";
import { readGivenFile } from "../request/given-file.ts";
import { openLocalCa, type LocalCaOptions } from "./embedded.ts";
import { openSolverSet } from "../solvers/open.ts";
import {
  defaultTimeouts,
  noHooks,
  type AroundIssue,
  type IssueTools,
  type Timeouts,
} from "../issue/tools.ts";

/** A run's tools, to be closed at its end. */
export interface OpenTools extends IssueTools {
  close(): Promise<void>;
}

export interface ToolsOptions {
  readonly store: Store;
  readonly timeouts?: Partial<Timeouts>;
  /** Hooks; none when absent. */
  readonly around?: AroundIssue;
  /** For the embedded CA (`--server local`). */
  readonly local?: LocalCaOptions;
}

/** Open everything that requests to one issuer need. No request is made and no solver created yet. */
export async function openTools(
  issuer: IssuerSetting,
  requests: readonly CertificateRequest[],
  context: Context,
  { store, timeouts, local, around = noHooks }: ToolsOptions,
): Promise<OpenTools> {
  const eab = await readBinding(issuer, context);
  if (issuer.server === "local") await store.checkWritable();
  const issuing =
    issuer.server === "local"
      ? await openLocalCa(requests, context, local ?? {})
      : await remote(issuer, context);
  const dns = dnsCache();
  const solvers = openSolverSet(issuing.context, store, dns(requests[0]?.dns ?? {}));
  const { log, clock, signal, redact } = context;
  return {
    ca: issuing.ca,
    store,
    solvers,
    dns,
    log,
    redact,
    clock,
    signal,
    ...(eab === undefined ? {} : { eab }),
    timeouts: { ...defaultTimeouts, ...timeouts },
    around,
    ...(issuing.selfCheckAt === undefined ? {} : { selfCheckAt: issuing.selfCheckAt }),
    async close() {
      await solvers.close();
      await issuing.close();
    },
  };
}

/** A CA and what goes with it. */
export interface Issuing {
  readonly ca: Ca;
  readonly selfCheckAt?: string;
  readonly context: Context;
  close(): Promise<void>;
}

async function remote(issuer: IssuerSetting, context: Context): Promise<Issuing> {
  const { env, log, clock } = context;
  const caBundle = issuer.caBundle === undefined ? undefined : await readBundle(issuer.caBundle);
  const ca = openCa({
    url: issuer.server,
    userAgent,
    env,
    log,
    clock,
    ...(caBundle === undefined ? {} : { caBundle }),
  });
  return { ca, context, close: () => ca.close() };
}

async function readBundle(path: string): Promise<string> {
  const text = (await readGivenFile(path, "The CA bundle")).toString("utf8");
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new Problem("config", {
    detail: `The CA bundle ${path} holds no PEM certificate.`,
    hint: "Give a PEM file with the root certificates to trust beside the usual ones.",
  });
}

async function readBinding(
  issuer: IssuerSetting,
  context: Context,
): Promise<ExternalAccountBinding | undefined> {
  const { eabKid: kid, eabHmac } = issuer;
  if (kid === undefined && eabHmac === undefined) return undefined;
  if (kid === undefined || eabHmac === undefined) {
    throw new Problem("usage", {
      detail: `An external account binding has a key id and an HMAC key; ${kid === undefined ? "the key id" : "the HMAC key"} is missing.`,
      hint: "Give both --eab-kid ID and --eab-hmac env:NAME (or file:/path); the CA's web site shows them.",
    });
  }
  const { env, cwd, signal, mask } = context;
  const hmacKey = await readSecret(eabHmac, {
    env,
    folder: cwd,
    mask,
    signal,
  });
  assertBinding({ kid, hmacKey });
  return { kid, hmacKey };
}

function dnsCache(): (setting: DnsSetting) => Dns {
  const open = new Map<string, Dns>();
  return (setting) => {
    const { resolvers = [], authoritative = true, recursive = false } = setting;
    const key = JSON.stringify([resolvers, authoritative, recursive]);
    const dns =
      open.get(key) ??
      openDns({
        resolvers,
        authoritative,
        recursive,
        authoritativePort: setting.authoritativePort ?? 53,
        queryTimeout: 5_000,
      });
    open.set(key, dns);
    return dns;
  };
}
