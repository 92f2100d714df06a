import type { Leases } from "../shared/leases.ts";
import type { SharedTools } from "../tools.ts";
import type { Objects } from "./objects.ts";

/** What every part of the store works with. */
export interface Shared extends SharedTools, Pick<Leases, "tokenOf" | "assertHeld"> {
  readonly objects: Objects;
}
