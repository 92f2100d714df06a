import type { SharedTools } from "../tools.ts";
import type { Database } from "./database.ts";

/** What every part of the store works with. */
export interface Shared extends SharedTools {
  readonly database: Database;
  /** Rejects unless the tables are those of this release. Called before each first use. */
  readonly check: () => Promise<void>;
  /** As `Leases` has it. */
  readonly tokenOf: (name: string) => string | undefined;
}
