/** DNSSEC failures that a CA's validating resolver would run into. */
import { createHash } from "node:crypto";
import type { Dns, Reply } from "../dns/dns.ts";
import type { Zone } from "../plugin.ts";
import { finding, type Finding } from "./finding.ts";

/** Is the zone signed, and would its answers pass validation? `name` is a name of the certificate in it. */
export async function checkDnssec(
  zone: Zone,
  name: string,
  dns: Pick<Dns, "resolve" | "askZone">,
  now: Date,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const soa = { name: zone.name, type: "SOA", dnssec: true } as const;
  const checked = await dns.resolve(soa, signal);
  const unchecked = await dns.resolve({ ...soa, unchecked: true }, signal);
  if (checked === undefined || unchecked === undefined) {
    const detail = `No DNS resolver answers for the zone ${zone.name}, so its DNSSEC was not checked.`;
    const remedy = "Check the network, or give other resolvers with --dns-resolvers.";
    return [finding("unknown", name, detail, remedy)];
  }
  if (isAnswer(unchecked) && !isAnswer(checked)) return [bogus(zone, name, checked.rcode)];
  const ds = await dns.resolve(
    { name: zone.name, type: "DS", dnssec: true, unchecked: true },
    signal,
  );
  const links = ds?.answers.filter(({ type }) => type === "DS").map(({ value }) => value) ?? [];
  // Without a DS record in the parent, resolvers do not validate the zone.
  if (links.length === 0 || checked.authentic) return [];
  const fault = await faultIn(zone, links, dns, now, signal);
  if (fault !== undefined) return [{ ...fault, name }];
  return (await isValidating(dns, signal)) ? [] : [notValidated(zone, name)];
}

const isAnswer = ({ rcode }: Reply) => rcode === "NOERROR" || rcode === "NXDOMAIN";

const repair =
  "Sign the zone again, or correct the DS record at the registrar; remove the DS record to switch DNSSEC off.";

function bogus(zone: Zone, name: string, rcode: string): Finding {
  const detail = `The zone ${zone.name} fails DNSSEC validation: the resolver answers ${rcode}, and answers the query if it is told not to validate.`;
  return finding("error", name, detail, repair);
}

/** What the zone's own servers show without any validation: a key that the parent does not name, or signatures that have ended. */
async function faultIn(
  zone: Zone,
  links: readonly string[],
  dns: Pick<Dns, "askZone">,
  now: Date,
  signal: AbortSignal,
): Promise<Omit<Finding, "name"> | undefined> {
  const reply = await dns.askZone(zone, { name: zone.name, type: "DNSKEY", dnssec: true }, signal);
  if (reply === undefined) return undefined;
  const keys = reply.answers.filter(({ type }) => type === "DNSKEY");
  const isLinked = keys.some(({ value }) => links.some((link) => matches(link, zone.name, value)));
  if (!isLinked) {
    const detail = `The parent of ${zone.name} has a DS record that matches none of the zone's ${keys.length} keys (DNSKEY), so validating resolvers reject the zone.`;
    return finding("error", undefined, detail, repair);
  }
  const ends = reply.answers
    .filter(({ type, value }) => type === "RRSIG" && value.startsWith("DNSKEY "))
    .map(({ value }) => Number(value.split(" ")[1]) * 1000);
  const last = Math.max(...ends);
  if (ends.length > 0 && last > now.getTime()) return undefined;
  const detail =
    ends.length === 0
      ? `The zone ${zone.name} has a DS record in its parent, and its keys are not signed.`
      : `The DNSSEC signatures of ${zone.name} have expired on ${new Date(last).toISOString()}.`;
  return finding("error", undefined, detail, repair);
}

const digests: Readonly<Record<string, string>> = { 1: "sha1", 2: "sha256", 4: "sha384" };

/** RFC 4034 §5.1.4: the digest of the owner's name and the key's data. A digest of an unknown type may match. */
function matches(link: string, zone: string, key: string): boolean {
  const [tag, , type = "", digest] = link.split(" ");
  const [flags, , algorithm, material = ""] = key.split(" ");
  const data = Buffer.concat([
    Buffer.from([Number(flags) >> 8, Number(flags) & 0xff, 3, Number(algorithm)]),
    Buffer.from(material, "base64"),
  ]);
  if (keyTag(data) !== Number(tag)) return false;
  const hash = digests[type];
  if (hash === undefined) return true;
  return createHash(hash).update(wireName(zone)).update(data).digest("hex") === digest;
}

/** RFC 4034, appendix B. */
function keyTag(data: Buffer): number {
  const sum = data.reduce((all, byte, index) => all + (index % 2 === 0 ? byte << 8 : byte), 0);
  return (sum + (sum >>> 16)) & 0xffff;
}

function wireName(name: string): Buffer {
  const labels = name.split(".").map((label) => Buffer.from(label, "latin1"));
  return Buffer.concat([
    ...labels.flatMap((label) => [Buffer.from([label.length]), label]),
    Buffer.from([0]),
  ]);
}

/** Whether the resolvers validate at all: the root is signed. */
async function isValidating(dns: Pick<Dns, "resolve">, signal: AbortSignal): Promise<boolean> {
  const root = await dns.resolve({ name: "", type: "SOA", dnssec: true }, signal);
  return root?.authentic === true;
}

function notValidated(zone: Zone, name: string): Finding {
  const detail = `The zone ${zone.name} is signed, and the resolver of this machine does not validate DNSSEC; no fault was seen in its keys, but the rest was not checked.`;
  const remedy =
    "Give a validating resolver, e.g. --dns-resolvers https://dns.quad9.net/dns-query, and run the check again.";
  return finding("unknown", name, detail, remedy);
}
