/** The mark of a state in the bucket, made after a probe of what acmectl needs of a store. */
import { Problem } from "../../problem.ts";
import { isRecord } from "../../json.ts";
import type { Initialized } from "../store.ts";
import { conditionalHint } from "./faults.ts";
import { newId, type Objects } from "./objects.ts";
import type { BucketPlace } from "./place.ts";

export interface Format {
  /** True when there is a state, of whichever release. */
  readonly exists: () => Promise<boolean>;
  /** Rejects when a newer release made the state. */
  readonly check: () => Promise<void>;
  /** The same, and begins a state where there is none. */
  readonly ready: () => Promise<void>;
  init(place: BucketPlace): Promise<Initialized>;
}

const key = "format.json";
const newest = 1;

export function openFormat(objects: Objects): Format {
  let known: Promise<number> | undefined;
  const read = async () => {
    const found = await objects.read(key);
    return found === undefined ? 0 : numberIn(found.value);
  };
  const check = async () => {
    const number = await (known ??= read());
    if (number > newest || Number.isNaN(number)) throw newer(objects.where, number);
    return number;
  };
  const looked = async () => {
    try {
      return await check();
    } finally {
      // What is not there yet may be there later.
      if ((await known?.catch(() => 0)) === 0) known = undefined;
    }
  };
  const begin = async () => {
    await probe(objects);
    await objects.write(key, { format: newest }, newId(objects), undefined);
  };
  let begun: Promise<void> | undefined;
  return {
    exists: async () => (await read()) > 0,
    check: async () => void (await looked()),
    async ready() {
      if ((await looked()) > 0) return;
      await (begun ??= begin().finally(() => (begun = undefined)));
    },
    async init(place) {
      const isNew = (await looked()) === 0;
      await (isNew ? begin() : probe(objects));
      return {
        done: isNew ? ["the state"] : [],
        grantees: "This policy is enough for every command:",
        grants: policyOf(place),
      };
    },
  };
}

function numberIn(value: unknown): number {
  return isRecord(value) && typeof value["format"] === "number" ? value["format"] : Number.NaN;
}

/** Writes, replaces and removes an object. Rejects unless the store compares before it writes. */
export async function probe(objects: Objects): Promise<void> {
  const name = `probe/${newId(objects)}.json`;
  const write = (before: Parameters<Objects["write"]>[3]) =>
    objects.write(name, { probe: true }, newId(objects), before);
  try {
    await write(undefined);
    const first = await objects.read(name);
    const isReplaced = first !== undefined && (await write(first));
    const isExclusive = !(await write(undefined));
    const isCompared = first !== undefined && !(await write(first));
    if (isReplaced && isExclusive && isCompared) return;
    const header = isExclusive ? "If-Match" : "If-None-Match";
    throw new Problem("machine", {
      detail: `Cannot use the state in ${objects.where}: the store ignores the condition of a write (${header}), so that two runs could overwrite each other.`,
      hint: conditionalHint,
      retryable: false,
    });
  } finally {
    await objects.remove(name).catch(() => undefined);
  }
}

/** What a run does in the bucket. */
function policyOf({ bucket, prefix, base }: BucketPlace): readonly string[] {
  const partition = base.includes(".amazonaws.com.cn/") ? "aws-cn" : "aws";
  const arn = `arn:${partition}:s3:::${bucket}`;
  const policy = {
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Action: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        Resource: `${arn}/${prefix}*`,
      },
      // Without it, the server does not say that an object is not there.
      { Effect: "Allow", Action: "s3:ListBucket", Resource: arn },
    ],
  };
  return JSON.stringify(policy, undefined, 2).split("\n");
}

function newer(where: string, found: number): Problem {
  return new Problem("machine", {
    detail: Number.isNaN(found)
      ? `The object ${key} in ${where} is not that of a state.`
      : `The state in ${where} was made by a newer acmectl (format ${found}; this one knows ${newest}).`,
    hint: Number.isNaN(found)
      ? "Give the state a prefix of its own in the bucket."
      : "Use that version of acmectl on every host.",
    retryable: false,
  });
}

/** Objects that look at the mark before their first use. */
export function guarded(objects: Objects, format: Format): Objects {
  return {
    ...objects,
    async read(name) {
      await format.check();
      return objects.read(name);
    },
    async *pages(...args) {
      await format.check();
      yield* objects.pages(...args);
    },
    async write(...args) {
      await format.ready();
      return objects.write(...args);
    },
    async put(...args) {
      await format.ready();
      return objects.put(...args);
    },
    async remove(...args) {
      await format.check();
      return objects.remove(...args);
    },
  };
}
