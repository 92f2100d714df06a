import { randomUUID } from "node:crypto";
import type { HookSetting } from "../certificate.ts";
import { Problem } from "../problem.ts";
import type { Lock } from "../state/store.ts";
import type { DeployTools } from "./tools.ts";

/** `post` hooks that runs still have to execute: if a run is killed after its `pre` hooks, the next run executes them. */
export interface OwedHooks {
  /** On disk when this resolves. */
  remember(hook: HookSetting): Promise<void>;
  /** This run has executed its own. */
  forget(): Promise<void>;
  /** Do `work` with the hooks of each run that was killed; runs that are alive keep theirs. */
  settle(work: (hooks: readonly HookSetting[]) => Promise<void>): Promise<void>;
}

export function openOwedHooks({ store }: Pick<DeployTools, "store">): OwedHooks {
  const { pendingHooks } = store;
  const mine = randomUUID();
  // Held until this run ends, so that other runs see that it is alive.
  let life: Promise<Lock> | undefined;
  const lifeOf = (run: string) => store.lock(`post-hooks:${run}`, { wait: 0, signal: never });

  return {
    async remember(hook) {
      life ??= lifeOf(mine);
      await life;
      await pendingHooks.add(mine, hook);
    },
    async forget() {
      if (life === undefined) return;
      await pendingHooks.remove(mine);
      await (await life).release();
    },
    async settle(work) {
      for (const run of Object.keys(await pendingHooks.list())) {
        const dead = await lifeOf(run).catch(isAlive);
        try {
          // Another run may have executed them in between.
          const hooks = dead === undefined ? undefined : (await pendingHooks.list())[run];
          if (hooks === undefined) continue;
          await work(hooks);
          await pendingHooks.remove(run);
        } finally {
          await dead?.release();
        }
      }
    },
  };
}

const never = new AbortController().signal;

function isAlive(error: unknown): undefined {
  if (!Problem.is(error) || !error.is("locked")) throw error;
}
