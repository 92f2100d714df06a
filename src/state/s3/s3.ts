import { openAccounts } from "../shared/accounts.ts";
import { openLeases } from "../shared/leases.ts";
import type { Store } from "../store.ts";
import type { SharedTools } from "../tools.ts";
import { accountRows } from "./accounts.ts";
import { openCertificates } from "./certificates.ts";
import { openClient } from "./client.ts";
import { guarded, openFormat, probe } from "./format.ts";
import { openHosts } from "./hosts.ts";
import { openJournal } from "./journal.ts";
import { leaseRows } from "./leases.ts";
import { openObjects } from "./objects.ts";
import { placeOf } from "./place.ts";
import { openRecords } from "./records.ts";

/** The state in a bucket of S3, or of another server with conditional writes. Nothing is sent before the first use. */
export async function openS3Store(url: string, tools: SharedTools): Promise<Store> {
  const place = await placeOf(url, tools);
  const unguarded = openObjects(openClient(place, tools));
  const format = openFormat(unguarded);
  const objects = guarded(unguarded, format);
  const leases = openLeases(leaseRows(objects), { ...tools, check: format.ready });
  const { tokenOf, assertHeld } = leases;
  const shared = { ...tools, objects, tokenOf, assertHeld };
  const { hosts, ...ofHosts } = openHosts(shared);
  const parts = {
    accounts: openAccounts({ ...shared, rows: accountRows(shared) }),
    certificates: openCertificates({ ...shared, hosts: ofHosts }),
    journal: openJournal(shared),
    hosts,
    ...openRecords(shared),
    lock: leases.lock,
    isLocked: leases.isLocked,
    claim: leases.claim,
    async rekey(signal: AbortSignal) {
      const { rekeyObjects } = await import("./rekey.ts");
      return rekeyObjects(shared, signal);
    },
  };
  return {
    where: place.where,
    exists: format.exists,
    init: () => format.init(place),
    async checkWritable() {
      await format.ready();
      await probe(objects);
    },
    async check(options) {
      const { checkObjects } = await import("./check.ts");
      return checkObjects(shared, parts, options);
    },
    ...parts,
  };
}
