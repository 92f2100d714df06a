/** What hosts have of certificates: an object for each host, so that a host needs to write no other. */
import { isRecord } from "../../json.ts";
import { readableName } from "../folder/names.ts";
import { hostsIn, type HostRecord } from "../hosts.ts";
import type { Store } from "../store.ts";
import { readHead } from "./head.ts";
import { change, readAll, type Found, type Objects } from "./objects.ts";
import type { Shared } from "./shared.ts";

/** Of one certificate, by its name; read at once for all. */
export type HostsOf = (name: string) => readonly HostRecord[] | undefined;

export interface Hosts {
  readonly hosts: Store["hosts"];
  readonly read: () => Promise<HostsOf>;
  /** What any host has of a certificate that is removed. */
  readonly forgetAll: (name: string) => Promise<void>;
}

/** Hosts are read beside certificates. */
export interface Holding extends Shared {
  readonly hosts: Pick<Hosts, "read" | "forgetAll">;
}

export function openHosts({ objects }: Pick<Shared, "objects">): Hosts {
  const known = new Map<string, Found>();
  const forget = async (key: string, name: string | undefined) => {
    await change(objects, key, isRecord, (before) => {
      if (before === undefined || name === undefined) return before && {};
      const { [name]: _, ...others } = before;
      return others;
    });
  };
  return {
    hosts: {
      async record(name, record) {
        const head = await readHead(name, { objects });
        if (head?.request == null) return;
        await change(objects, keyOf(record.host), isRecord, (before) => ({
          ...before,
          [name]: record,
        }));
      },
      forget: (host, name) => forget(keyOf(host), name),
    },
    async read() {
      const all = await allIn(objects, known);
      return (name) =>
        hostsIn(
          all.flatMap(([, records]) => (Object.hasOwn(records, name) ? [records[name]] : [])),
        );
    },
    async forgetAll(name) {
      for (const [key, records] of await allIn(objects, known))
        if (Object.hasOwn(records, name)) await forget(key, name);
    },
  };
}

const keyOf = (host: string) => `hosts/${readableName(host)}.json`;

async function allIn(objects: Objects, known: Map<string, Found>) {
  const all: (readonly [key: string, records: Readonly<Record<string, unknown>>])[] = [];
  for await (const [key, { value }] of readAll(objects, "hosts/", known))
    if (isRecord(value)) all.push([key, value]);
  return all;
}
