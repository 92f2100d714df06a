import type { SharedTools } from "../tools.ts";
import type { Initialized, Store } from "../store.ts";
import { openAccounts } from "../shared/accounts.ts";
import { openLeases } from "../shared/leases.ts";
import { accountRows } from "./accounts.ts";
import { openAnswers } from "./answers.ts";
import { openCertificates } from "./certificates.ts";
import { openDatabase, type Database } from "./database.ts";
import { openHosts } from "./hosts.ts";
import { openJournal, openPendingHooks } from "./journal.ts";
import { leaseRows } from "./leases.ts";
import { openNotices } from "./notices.ts";
import { openLedger } from "./ledger.ts";
import { placeOf } from "./place.ts";
import { readVersion } from "./versions.ts";
import { openSolverState, readSolverValues } from "./solver-state.ts";
import { checkRights, grants, hasTables, hostGrants, migrate, schemaCheck } from "./schema.ts";

/** The state in a PostgreSQL database. Connects at the first use. */
export async function openPostgresStore(url: string, tools: SharedTools): Promise<Store> {
  const place = await placeOf(url, tools);
  const database = openDatabase(place, tools);
  const check = schemaCheck(database);
  const notices = openNotices(database.place, tools);
  const leases = openLeases(leaseRows(database, notices), { ...tools, check });
  const { tokenOf, assertHeld } = leases;
  const shared = { ...tools, database, check, tokenOf, assertHeld };
  const parts = {
    accounts: openAccounts({ ...shared, rows: accountRows(shared) }),
    certificates: {
      ...openCertificates(shared),
      onCommit: (listener: () => void) => notices.on("versions", listener),
    },
    journal: openJournal(shared),
    ledger: openLedger(shared),
    hosts: openHosts(shared),
    pendingHooks: openPendingHooks(shared),
    answers: openAnswers(shared),
    solverState: (solver: string) => openSolverState(shared, solver),
    solverValues: () => readSolverValues(shared),
    lock: leases.lock,
    isLocked: leases.isLocked,
    claim: leases.claim,
  };
  return {
    where: place.where,
    exists: () => hasTables(database),
    init: () => initialized(database),
    async checkWritable() {
      await check();
      await checkRights(database, place);
    },
    async check(options) {
      await check();
      const [{ checkRecords }, { orphans }] = await Promise.all([
        import("../shared/check.ts"),
        import("./check.ts"),
      ]);
      const records = await checkRecords(parts, (name) => readVersion(name, shared));
      return [...records, ...(await orphans(shared, options.repair))];
    },
    async rekey(signal) {
      await check();
      const { rekeyDatabase } = await import("./rekey.ts");
      return rekeyDatabase(shared, signal);
    },
    ...parts,
  };
}

async function initialized(database: Database): Promise<Initialized> {
  const done = await migrate(database);
  return {
    done: done.map((name) => `the tables of ${name}`),
    grantees:
      "For a user that may not create tables. New tables have no rights, so run these again whenever tables were created:",
    grants: [...grants, ...hostGrants],
  };
}
