import {
  CHECKING_DISABLED,
  DNSSEC_OK,
  RECURSION_DESIRED,
  decode,
  encode,
  type Answer,
  type OptAnswer,
  type Question as Asked,
} from "dns-packet";
import { isName, plainName } from "./name.ts";

export type RecordType =
  | "A"
  | "AAAA"
  | "CAA"
  | "CNAME"
  | "DNSKEY"
  | "DS"
  | "NS"
  | "RRSIG"
  | "SOA"
  | "TLSA"
  | "TXT";

export interface Question {
  /** Lower case, no trailing dot. */
  readonly name: string;
  readonly type: RecordType;
  /** Ask for signatures, and for the resolver's verdict on them (RFC 3225). */
  readonly dnssec?: boolean | undefined;
  /** Ask a resolver for what it would withhold after validation (RFC 4035 §3.2.2). */
  readonly unchecked?: boolean | undefined;
}

export interface Reply {
  /** `NOERROR`, `NXDOMAIN`, `REFUSED`, …, or `RCODE11`. */
  readonly rcode: string;
  /** The AA bit: the server speaks for the zone. */
  readonly authoritative: boolean;
  readonly truncated: boolean;
  /** The AD bit: the resolver has validated the answer (RFC 4035 §3.2.3). */
  readonly authentic: boolean;
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  /** Seconds for which a resolver remembers that the record does not exist (RFC 2308 §5); undefined when the answer does not say. */
  readonly negativeTtl: number | undefined;
}

export interface ResourceRecord {
  /** The owner: lower case, no trailing dot. */
  readonly name: string;
  readonly type: string;
  /**
   * An address; a name (CNAME, NS, the primary of SOA); the joined TXT strings, one character per byte; the fields of CAA, DS,
   * TLSA and DNSKEY as zone files have them; the type that an RRSIG covers and its end in seconds since 1970.
   */
  readonly value: string;
  /** Seconds. */
  readonly ttl: number;
}

const opt: OptAnswer = {
  type: "OPT",
  name: ".",
  // The largest UDP answer we ask for: small enough never to be fragmented.
  udpPayloadSize: 1232,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

/** A standard query in class IN, with EDNS (RFC 6891) unless the server is too old for it. */
export function encodeQuery(
  id: number,
  { name, type, dnssec = false, unchecked = false }: Question,
  { recurse, edns }: { recurse: boolean; edns: boolean },
): Buffer {
  return encode({
    type: "query",
    id,
    flags: (recurse ? RECURSION_DESIRED : 0) | (unchecked ? CHECKING_DISABLED : 0),
    questions: [{ name, type, class: "IN" }],
    additionals: edns ? [{ ...opt, flags: dnssec ? DNSSEC_OK : 0, flag_do: dnssec }] : [],
  });
}

/** An answer whose bytes are not DNS. */
export class MalformedReply extends Error {}

/**
 * Read an answer to this very question; undefined when the message answers another one, as a forged or late one does.
 * Throws MalformedReply when it cannot be read.
 */
export function decodeReply(message: Buffer, id: number, question: Question): Reply | undefined {
  if (!isResponse(message, id)) return undefined;
  const packet = decoded(message);
  const rcode = rcodeOf(packet);
  const { questions = [], answers = [], authorities = [] } = packet;
  // A server that could not read the question answers without it.
  const unread = questions.length === 0 && rcode !== "NOERROR";
  if (!unread && !isAbout(questions, question)) return undefined;
  return {
    rcode,
    authoritative: packet.flag_aa,
    truncated: packet.flag_tc,
    authentic: packet.flag_ad,
    answers: answers.flatMap(recordOf),
    authorities: authorities.flatMap(recordOf),
    negativeTtl: negativeTtl(authorities),
  };
}

function negativeTtl(authorities: readonly Answer[]): number | undefined {
  const soa = authorities.find((record) => record.type === "SOA");
  return soa && Math.min(soa.ttl ?? 0, soa.data.minimum ?? 0);
}

function isResponse(message: Buffer, id: number): boolean {
  return message.length >= 12 && message.readUInt16BE(0) === id && (message[2] ?? 0) >= 0x80;
}

function isAbout([asked, ...more]: readonly Asked[], { name, type }: Question): boolean {
  if (asked === undefined || more.length > 0) return false;
  return plainName(asked.name) === name && asked.type === type && asked.class === "IN";
}

function decoded(message: Buffer): ReturnType<typeof decode> {
  try {
    return decode(message);
  } catch (error) {
    throw new MalformedReply("malformed answer", { cause: error });
  }
}

/** Of the package, `RCODE_11` where it knows no name; its types leave this out. */
function rcodeOf(packet: object): string {
  return "rcode" in packet ? String(packet.rcode).replace("_", "") : "";
}

function recordOf(answer: Answer): ResourceRecord[] {
  if (answer.type === "OPT" || answer.class !== "IN") return [];
  const name = plainName(answer.name);
  const { ttl = 0 } = answer;
  switch (answer.type) {
    case "TXT":
      return [{ name, type: "TXT", value: joined(answer.data), ttl }];
    case "SOA":
      return [{ name, type: "SOA", value: plainName(answer.data.mname), ttl }];
    case "CNAME":
    case "NS": {
      const value = plainName(answer.data);
      // A name that cannot be asked for is useless, and may be an attack.
      return isName(value) ? [{ name, type: answer.type, value, ttl }] : [];
    }
    case "A":
    case "AAAA":
      return [{ name, type: answer.type, value: answer.data, ttl }];
    default:
      return textOf(answer).map((value) => ({ name, type: answer.type, value, ttl }));
  }
}

/** The fields of the other types that are read; none for any other. */
function textOf(answer: Answer): readonly string[] {
  switch (answer.type) {
    case "CAA":
      return [`${answer.data.flags} ${answer.data.tag} ${answer.data.value}`];
    case "DS": {
      const { keyTag, algorithm, digestType, digest } = answer.data;
      return [`${keyTag} ${algorithm} ${digestType} ${digest.toString("hex")}`];
    }
    case "DNSKEY":
      return [
        `${answer.data.flags} 3 ${answer.data.algorithm} ${answer.data.key.toString("base64")}`,
      ];
    case "TLSA": {
      const { usage, selector, matchingType, certificate } = answer.data;
      return [`${usage} ${selector} ${matchingType} ${certificate.toString("hex")}`];
    }
    case "RRSIG":
      return [`${answer.data.typeCovered} ${answer.data.expiration}`];
    default:
      return [];
  }
}

function joined(data: string | Buffer | (string | Buffer)[]): string {
  const parts = Array.isArray(data) ? data : [data];
  return parts.map((part) => Buffer.from(part).toString("latin1")).join("");
}
