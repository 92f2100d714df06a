import type { SharedTools } from "../tools.ts";
import type { Objects } from "./objects.ts";

/** What every part of the store works with. */
export interface Shared extends SharedTools {
  readonly objects: Objects;
  /** As `Leases` has it. */
  readonly tokenOf: (name: string) => string | undefined;
}
