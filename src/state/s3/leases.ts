/** Leases in objects: that of a certificate is in the certificate's own. The end is measured by the server's clock. */
import type { LeaseRows, Taken } from "../shared/leases.ts";
import { readableName } from "../folder/names.ts";
import { assertLease, headOf, isLeased, otherIn } from "./head.ts";
import { change, type Objects } from "./objects.ts";

export function leaseRows(objects: Objects): LeaseRows {
  const read = async (name: string) => {
    const found = await objects.read(keyOf(name));
    return isLeased(found?.value) ? found.value : undefined;
  };
  return {
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
}

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
