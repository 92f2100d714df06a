/** Leases in objects: that of a certificate is in the certificate's own. The end is measured by the server's clock. */
import type { LeaseRows, Taken } from "../shared/leases.ts";
import { readableName } from "../folder/names.ts";
import { isDueBefore } from "./due-index.ts";
import { assertLease, headOf, isLeased, otherIn, readHead } from "./head.ts";
import { change, type Objects } from "./objects.ts";

export function leaseRows(objects: Objects): LeaseRows {
  const read = async (name: string) => {
    const found = await objects.read(keyOf(name));
    return isLeased(found?.value) ? found.value : undefined;
  };
  const rows: LeaseRows = {
    async take({ name, leaseTime, me, dead }) {
      const token = newToken(objects);
      const taken = await change(objects, keyOf(name), isLeased, (leased) => {
        const other = otherIn(leased, objects.now());
        if (other !== undefined && other.token !== dead) return leased;
        const next = atLeast(token, leased?.lease?.token);
        const lease = { token: next, holder: me, endsAt: objects.now() + leaseTime };
        return { ...(leased ?? { name: subjectOf(name) }), lease };
      });
      const { lease } = taken ?? {};
      return lease?.holder.token === me.token ? lease.token : undefined;
    },
    claim: (wanted) => claimFirst(wanted, rows, objects),
    holderOf: async (name) => otherIn(await read(name), objects.now()),
    async beat(leases, leaseTime) {
      const all = leases.map((lease) => putOff(lease, leaseTime, objects));
      await Promise.allSettled(all);
    },
    async assert(name, token) {
      assertLease({ name, leased: await read(name), token }, objects.now());
    },
    async end({ name, token }) {
      await change(objects, keyOf(name), isLeased, (leased) =>
        leased?.lease?.token === token
          ? { ...leased, lease: { ...leased.lease, endsAt: 0 } }
          : leased,
      );
    },
  };
  return rows;
}

async function claimFirst(
  { names, due, leaseTime, me }: Parameters<NonNullable<LeaseRows["claim"]>>[0],
  rows: LeaseRows,
  objects: Objects,
): Promise<Taken | undefined> {
  for (let at = 0; at < names.length; at += atOnce) {
    const part = names.slice(at, at + atOnce);
    const found = await Promise.all(part.map((name) => readHead(name, { objects })));
    for (const [index, name] of part.entries()) {
      const head = found[index];
      if (head === undefined || otherIn(head, objects.now()) !== undefined) continue;
      if (!isDueBefore(head, due)) continue;
      const wanted = { name: `certificate:${name}`, leaseTime, me, dead: undefined };
      const token = await rows.take(wanted);
      if (token !== undefined) return { name, token };
    }
  }
  return undefined;
}

/** Certificates that are looked at together. */
const atOnce = 16;

const prefix = /^certificate:/;

function keyOf(name: string): string {
  return prefix.test(name) ? headOf(subjectOf(name)) : `leases/${readableName(name)}.json`;
}

const subjectOf = (name: string) => name.replace(prefix, "");

async function putOff({ name, token }: Taken, leaseTime: number, objects: Objects) {
  await change(objects, keyOf(name), isLeased, (leased) => {
    const other = otherIn(leased, objects.now());
    if (leased?.lease === undefined || other?.token !== token) return leased;
    return { ...leased, lease: { ...leased.lease, endsAt: objects.now() + leaseTime } };
  });
}

/** The server's time, so that it grows even if the object is removed in between. */
function newToken(objects: Objects): string {
  return `${objects.now()}`;
}

function atLeast(token: string, before: string | undefined): string {
  return before === undefined || Number(token) > Number(before) ? token : `${Number(before) + 1}`;
}
