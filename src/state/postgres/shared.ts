import type { Leases } from "../shared/leases.ts";
import type { SharedTools } from "../tools.ts";
import type { Database } from "./database.ts";

/** What every part of the store works with. */
export interface Shared extends SharedTools, Pick<Leases, "tokenOf" | "assertHeld"> {
  readonly database: Database;
  /** Rejects unless the tables are those of this release. Called before each first use. */
  readonly check: () => Promise<void>;
}
