import { RECURSION_DESIRED, decode, encode, type Answer, type Question as Asked } from "dns-packet";
import { isName, plainName } from "./name.ts";

export type RecordType = "A" | "AAAA" | "CNAME" | "NS" | "SOA" | "TXT";

export interface Question {
  /** Lower case, no trailing dot. */
  readonly name: string;
  readonly type: RecordType;
}

export interface Reply {
  /** `NOERROR`, `NXDOMAIN`, `REFUSED`, …, or `RCODE11`. */
  readonly rcode: string;
  /** The AA bit: the server speaks for the zone. */
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  /** Seconds for which a resolver remembers that the record does not exist (RFC 2308 §5); undefined when the answer does not say. */
  readonly negativeTtl: number | undefined;
}

export interface ResourceRecord {
  /** The owner: lower case, no trailing dot. */
  readonly name: string;
  readonly type: string;
  /** An address; a name (CNAME, NS, the primary of SOA); the joined TXT strings, one character per byte; else empty. */
  readonly value: string;
  /** Seconds. */
  readonly ttl: number;
}

/** The largest UDP answer we ask for: small enough never to be fragmented. */
const udpPayload = 1232;

/** A standard query in class IN, with EDNS (RFC 6891) unless the server is too old for it. */
export function encodeQuery(
  id: number,
  question: Question,
  { recurse, edns }: { recurse: boolean; edns: boolean },
): Buffer {
  return encode({
    type: "query",
    id,
    flags: recurse ? RECURSION_DESIRED : 0,
    questions: [{ ...question, class: "IN" }],
    additionals: edns
      ? [
          {
            type: "OPT",
            name: ".",
            udpPayloadSize: udpPayload,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ]
      : [],
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
      return [];
  }
}

function joined(data: string | Buffer | (string | Buffer)[]): string {
  const parts = Array.isArray(data) ? data : [data];
  return parts.map((part) => Buffer.from(part).toString("latin1")).join("");
}
