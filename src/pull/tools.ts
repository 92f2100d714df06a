import type { Context } from "../context.ts";
import type { Deployment } from "../deploy/deployment.ts";
import type { Store } from "../state/store.ts";
import type { Wanted } from "./wanted.ts";

export interface PullTools {
  readonly shared: Store;
  /** The folder with the files of this host. */
  readonly local: Store;
  readonly wanted: Wanted;
  readonly context: Pick<Context, "clock" | "log" | "redact" | "signal">;
  readonly force: boolean;
  /** Of this host. */
  readonly steps: Pick<Deployment, "deploy"> & Pick<Store["certificates"], "read">;
}
