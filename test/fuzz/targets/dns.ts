/** Answers of DNS servers, and keys for updates. */
import { algorithms } from "../../../plugins/rfc2136/tsig.ts";
import { keyFrom } from "../../../plugins/rfc2136/key.ts";
import {
  decode,
  encodeQuery as encodeUpdateQuery,
  encodeUpdate,
  valueOf,
} from "../../../plugins/rfc2136/message.ts";
import { sign, verify } from "../../../plugins/rfc2136/tsig.ts";
import { judgePersist, readPersist } from "../../../src/acme/account-records.ts";
import { checkCaa } from "../../../src/check/caa.ts";
import { decodeReply, MalformedReply, type Question } from "../../../src/dns/message.ts";
import { isName, printable } from "../../../src/dns/name.ts";
import { holds, isClean, now, orProblemOf, type Target } from "../target.ts";

const question: Question = { name: "_acme-challenge.example.test", type: "TXT" };
const key = { name: "acmectl", algorithm: "hmac-sha256", secret: Buffer.alloc(32, 7) } as const;
const mac = Buffer.alloc(32, 9);
const seconds = now.getTime() / 1000;

export const dnsTargets: readonly Target[] = [
  {
    name: "dns-answer",
    promise:
      "a DNS answer to the question has names that can be asked for, or is malformed, or answers another question",
    check(input) {
      for (const type of ["TXT", "CAA", "NS", "SOA", "DNSKEY"] as const) {
        const reply = unlessMalformed(() => decodeReply(input, 0x1234, { ...question, type }));
        if (reply === undefined) continue;
        const records = [...reply.answers, ...reply.authorities];
        const targets = records.filter((one) => one.type === "CNAME" || one.type === "NS");
        holds(
          targets.every(({ value }) => isName(value)),
          "a target is a name",
        );
        holds(
          records.every(({ value }) => isClean(printable(value))),
          "values can be printed",
        );
        holds(
          records.every(({ ttl }) => Number.isSafeInteger(ttl)),
          "a TTL is a number",
        );
      }
    },
  },
  {
    name: "dns-update-answer",
    promise:
      "the answer of a primary server is read or is a RangeError, and its signature is good only if it is that of the key",
    check(input) {
      const signed = sign(encodeUpdate(1, "example.test", []), key, seconds).bytes;
      for (const bytes of [input, signed]) {
        const message = unlessRange(() => decode(bytes));
        message?.answers.map(valueOf);
        const verdict = unlessRange(() => verify(bytes, key, mac, seconds));
        holds(verdict?.kind !== "good", "an answer to another request is not signed for this one");
      }
    },
  },
  {
    name: "tsig-key",
    promise:
      "a TSIG key signs messages that can be read, or is refused with a Problem that does not show it",
    words: [
      "key ",
      "algorithm ",
      "secret ",
      ...algorithms,
      "Private-key-format: v1.3\n",
      "IN KEY 512 3 163 ",
    ],
    async check(input) {
      const tsigKey = input.toString();
      const none = {
        tsigKeyName: undefined,
        tsigSecret: undefined,
        tsigAlgorithm: undefined,
        tsigFile: undefined,
      };
      const read = await orProblemOf(() => keyFrom({ ...none, tsigKey }));
      if (read === undefined) return;
      holds(read.secret.length > 0, "it has a secret");
      const { bytes } = sign(encodeUpdateQuery(1, "example.test", 16), read, seconds);
      holds(
        decode(bytes).additionals.at(-1)?.name === read.name,
        "a signed message has the key's name",
      );
    },
  },
  {
    name: "persist-record",
    promise: "a record of dns-persist-01 is read, or the reason why not is one clean line",
    words: ["accounturi=", "policy=wildcard", "persistUntil="],
    check(input) {
      const text = input.toString("latin1");
      const record = readPersist(text);
      holds(typeof record !== "string" || isClean(record), "the reason is one clean line");
      const demand = {
        identifier: { type: "dns", value: "example.test" },
        wildcard: false,
        validationName: "_validation-persist.example.test",
        issuers: ["ca.example"],
        accountUris: ["https://ca.example/acct/1"],
      } as const;
      holds(isClean(judgePersist([text], demand, now).why), "the verdict is one clean line");
    },
  },
  {
    name: "caa-record",
    promise: "CAA records are judged, and what is said of them is one clean line",
    words: ["issue ", "issuewild ", "accounturi=", "validationmethods=", "128 "],
    async check(input) {
      const answers = input
        .toString("latin1")
        .split("\n\n")
        .map((value) => ({ name: "example.test", type: "CAA", value, ttl: 1 }));
      const reply = {
        rcode: "NOERROR",
        authoritative: false,
        truncated: false,
        authentic: false,
        answers,
        authorities: [],
        negativeTtl: undefined,
      };
      const applicant = {
        identities: ["ca.example"],
        accountUrl: "https://ca.example/acct/1",
        methods: ["dns-01"],
      };
      const findings = await checkCaa({ type: "dns", value: "example.test" }, applicant, () =>
        Promise.resolve(reply),
      );
      holds(
        findings.every(({ detail, remedy }) => isClean(detail) && isClean(remedy)),
        "a finding is one clean line",
      );
    },
  },
];

function unlessMalformed<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof MalformedReply) return undefined;
    throw error;
  }
}

function unlessRange<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
