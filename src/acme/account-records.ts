/**
 * TXT records that are bound to an account. dns-persist-01 has two shapes in the field: drafts 00 and 01 name the account by its
 * URL, draft 02 by a hash, which a CA of that draft announces in its directory.
 */
import { createHash } from "node:crypto";
import { dateOf } from "../dates.ts";
import type { Identifier } from "../plugin.ts";
import { Problem } from "../problem.ts";
import type { AcmeChallenge, Directory } from "./acme.ts";
import { presetOf } from "./presets.ts";
import { printable } from "./text.ts";

/** An account as its records name it. */
export interface RecordHolder {
  readonly url: string;
  /** Of its key (RFC 7638). */
  readonly thumbprint: string;
}

/** What a standing record must say so that a name is proven by it (dns-persist-01). */
export interface PersistDemand {
  readonly identifier: Identifier;
  /** Whether `*.` the name is to be proven, too. */
  readonly wildcard: boolean;
  /** `_validation-persist.<name>` */
  readonly validationName: string;
  /** Names of the CA, any of which may be in the record; the first is written. Empty if they are not known. */
  readonly issuers: readonly string[];
  /** Names of the account, any of which may be in the record; the first is written. */
  readonly accountUris: readonly string[];
}

/** What proves a name by dns-persist-01. The shape follows from the directory, and from the challenge where one is offered. */
export function persistDemand(
  { identifier, wildcard }: Pick<PersistDemand, "identifier" | "wildcard">,
  holder: RecordHolder,
  directory: Directory,
  offered?: AcmeChallenge,
): PersistDemand {
  const name = identifier.value;
  const accountUris = accountUrisOf(name, holder, directory.meta.accountHashPrefix);
  const said = offered?.accountUri;
  if (said !== undefined && said !== holder.url && !accountUris.includes(said)) {
    throw new Problem("protocol", {
      detail: `The dns-persist-01 challenge of ${name} is for the account ${said}, and the account in use is ${holder.url}.`,
      hint: "Do not publish a record for the other account. Report this to the CA.",
      identifier,
    });
  }
  return {
    identifier,
    wildcard,
    validationName: persistName(name),
    issuers: issuersOf(name, directory, offered),
    accountUris,
  };
}

/** The same where the CA cannot be asked: its names and the hash's prefix are then not compared. */
export function offlineDemand(
  { identifier, wildcard }: Pick<PersistDemand, "identifier" | "wildcard">,
  holder: RecordHolder,
): PersistDemand {
  const { value } = identifier;
  const hashes = [value, "*"].map((domain) => `/${hashedAccount(domain, holder)}`);
  const accountUris = [holder.url, ...hashes];
  return { identifier, wildcard, validationName: persistName(value), issuers: [], accountUris };
}

/** Where the CA looks for the record of a name. */
export function persistName(name: string): string {
  return `_validation-persist.${name}`;
}

/** Draft 02 §4.1; a hash over `*` instead of the name is as good. CAs of earlier drafts compare the URL. */
function accountUrisOf(
  name: string,
  { url, thumbprint }: RecordHolder,
  prefix: string | undefined,
): readonly string[] {
  if (prefix === undefined) return [url];
  return [name, "*"].map((domain) => prefix + hashedAccount(domain, { url, thumbprint }));
}

/** The end of an account's URI in records of draft 02. */
export function hashedAccount(domain: string, { url, thumbprint }: RecordHolder): string {
  const input = [Buffer.of(domain.length), Buffer.from(domain + thumbprint + url, "latin1")];
  return `sha-256/${createHash("sha256").update(Buffer.concat(input)).digest("base64url")}`;
}

/** Drafts 00 and 01 announce no names before an order, and CAs use those of CAA. */
function issuersOf(
  name: string,
  { url, meta }: Directory,
  offered: AcmeChallenge | undefined,
): readonly string[] {
  const known = [
    offered?.issuerDomainNames ?? [],
    meta.issuerDomainNames ?? [],
    meta.caaIdentities,
    presetOf(url)?.caaIdentities ?? [],
  ].find((names) => names.length > 0);
  const missing = (meta.issuerDomainNames ?? []).filter(
    (one) => offered?.issuerDomainNames?.includes(one) === false,
  );
  // Draft 02 §3.1 and §3.2: such a challenge is malformed.
  if (known !== undefined && known.length <= 10 && missing.length === 0) return known;
  throw new Problem("protocol", {
    detail:
      known === undefined
        ? `${url} does not say by which name it goes in dns-persist-01 records, so none can be made for ${name}.`
        : `The dns-persist-01 challenge of ${name} has ${missing.length > 0 ? "not all names of the CA's directory" : "more than ten names of the CA"}.`,
    hint: "Use another challenge type, such as dns-01, and report this to the CA.",
  });
}

/** The record's text. `wildcard` covers `*.` the name and names below it, where the CA allows that. */
export function persistValue(
  { issuers, accountUris }: PersistDemand,
  { wildcard, until }: { readonly wildcard: boolean; readonly until?: Date | undefined },
): string {
  const parts = [issuers[0], `accounturi=${accountUris[0]}`];
  if (wildcard) parts.push("policy=wildcard");
  if (until !== undefined) parts.push(`persistUntil=${Math.floor(until.getTime() / 1000)}`);
  return parts.join("; ");
}

/** What the records at a name are worth. */
export interface PersistVerdict {
  readonly good: boolean;
  /** When the good record that lasts longest ends; undefined for one that does not. */
  readonly until?: Date | undefined;
  /** Why no record is good, record by record. */
  readonly why: string;
}

/** Judge the texts found at the validation name as a CA does. */
export function judgePersist(
  texts: readonly string[],
  demand: PersistDemand,
  now: Date,
): PersistVerdict {
  const judged = texts.map((text) => judgeOne(text, demand, now));
  const good = judged.flatMap((one) => (typeof one === "string" ? [] : [one]));
  const why = judged.filter((one) => typeof one === "string").join("; ");
  const isEndless = good.some(({ until }) => until === undefined);
  const ends = good.flatMap(({ until }) => until?.getTime() ?? []);
  const until = good.length === 0 || isEndless ? undefined : new Date(Math.max(...ends));
  return { good: good.length > 0, until, why: printable(why) || "no record was found" };
}

/** The records of the account with the CA, good or not any more. */
export function ownRecords(
  texts: readonly string[],
  demand: Pick<PersistDemand, "issuers" | "accountUris">,
): readonly PersistRecord[] {
  return texts.flatMap((text) => {
    const record = readPersist(text);
    return typeof record === "string" || otherOf(record, demand) !== undefined ? [] : [record];
  });
}

/** Whose it is, if it is not of the account with the CA. */
function otherOf(
  { issuer, accountUri }: PersistRecord,
  { issuers, accountUris }: Pick<PersistDemand, "issuers" | "accountUris">,
): string | undefined {
  const isOffline = issuers.length === 0;
  if (!isOffline && !issuers.includes(issuer)) return `the CA ${issuer}`;
  const isSame = (own: string) => (isOffline ? accountUri.endsWith(own) : accountUri === own);
  return accountUris.some(isSame) ? undefined : `the account ${accountUri}`;
}

function judgeOne(text: string, demand: PersistDemand, now: Date): { until?: Date } | string {
  const record = readPersist(text);
  if (typeof record === "string") return record;
  const { wildcard, until } = record;
  const other = otherOf(record, demand);
  if (other !== undefined) return `one is for ${other}`;
  if (demand.wildcard && !wildcard) return "one is without policy=wildcard";
  if (until !== undefined && until <= now) return `one ended at ${dateOf(until)}`;
  return { ...(until && { until }) };
}

export interface PersistRecord {
  readonly issuer: string;
  readonly accountUri: string;
  readonly wildcard: boolean;
  readonly until?: Date | undefined;
}

/** A record of the syntax of RFC 8659 §4.2, or why it is not one. */
export function readPersist(text: string): PersistRecord | string {
  const shown = printable(JSON.stringify(text.slice(0, 120)));
  const [issuer = "", ...pairs] = text.split(";").map((part) => part.trim());
  const parameters = parametersIn(pairs);
  const accountUri = parameters?.get("accounturi") ?? "";
  const end = parameters?.get("persistuntil");
  if (parameters === undefined || (end !== undefined && !/^\d{1,12}$/.test(end)))
    return `${shown} cannot be read`;
  if (issuer === "" || accountUri === "") return `${shown} does not name a CA and an account`;
  return {
    issuer: issuer.toLowerCase(),
    accountUri,
    wildcard: parameters.get("policy")?.toLowerCase() === "wildcard",
    until: end === undefined ? undefined : new Date(Number(end) * 1000),
  };
}

/** By tag in lower case; undefined if one of them cannot be read or comes twice. */
function parametersIn(pairs: readonly string[]): ReadonlyMap<string, string> | undefined {
  const parameters = new Map<string, string>();
  for (const pair of pairs) {
    const [, tag = "", value = ""] = /^([a-z0-9]+)[ \t]*=[ \t]*([!-:<-~]*)$/i.exec(pair) ?? [];
    if (tag === "" || parameters.has(tag.toLowerCase())) return undefined;
    parameters.set(tag.toLowerCase(), value);
  }
  return parameters;
}

const alphabet = "abcdefghijklmnopqrstuvwxyz234567";

/** dns-account-01 (draft 03): where the account puts its TXT record, beside those of other accounts. */
export function accountValidationName(name: string, accountUrl: string): string {
  // Ten bytes are sixteen letters of base32.
  const digest = createHash("sha256").update(accountUrl).digest().subarray(0, 10);
  const bits = [...digest].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const letters = bits.match(/.{5}/g) ?? [];
  const label = letters.map((five) => alphabet[Number.parseInt(five, 2)]).join("");
  return `_${label}._acme-challenge.${name}`;
}
