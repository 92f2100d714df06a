import { randomUUID } from "node:crypto";
import type { HookSetting } from "../certificate.ts";
import { Problem } from "../problem.ts";
import type { Lock } from "../state/store.ts";
import type { DeployTools } from "./tools.ts";
import { isRecord } from "../json.ts";

/** `post` hooks that runs have still to do: whatever kills a run after its `pre` hooks, the next one does them. */
export interface OwedHooks {
  /** On disk when this resolves. */
  remember(hook: HookSetting): Promise<void>;
  /** This run has done its own. */
  forget(): Promise<void>;
  /** Do with `work` what each run that died has left. Runs that live keep theirs. */
  settle(work: (hooks: readonly HookSetting[]) => Promise<void>): Promise<void>;
}

export function openOwedHooks({ store }: Pick<DeployTools, "store">): OwedHooks {
  const mine = randomUUID();
  const state = store.solverState(place);
  // Held for as long as this run lives: so others see that it does.
  let life: Promise<Lock> | undefined;
  const lock = (name: string, wait: number) => store.lock(name, { wait, signal: never });

  async function change(work: (owed: Owed) => Owed): Promise<void> {
    const turn = await lock("post-hooks", longestTurn);
    try {
      const owed = work(await read());
      await state.set("owed", Object.keys(owed).length === 0 ? undefined : owed);
    } finally {
      await turn.release();
    }
  }

  async function read(): Promise<Owed> {
    const owed = await state.get("owed");
    return isOwed(owed) ? owed : {};
  }

  const drop = (run: string) =>
    change((owed) => Object.fromEntries(Object.entries(owed).filter(([other]) => other !== run)));

  return {
    async remember(hook) {
      life ??= lock(lifeOf(mine), 0);
      await life;
      await change((owed) => ({ ...owed, [mine]: [...(owed[mine] ?? []), hook] }));
    },
    async forget() {
      if (life === undefined) return;
      await drop(mine);
      await (await life).release();
    },
    async settle(work) {
      for (const run of Object.keys(await read())) {
        const dead = await lock(lifeOf(run), 0).catch(lives);
        try {
          // Another run may have done them in between.
          const hooks = dead === undefined ? undefined : (await read())[run];
          if (hooks === undefined) continue;
          await work(hooks);
          await drop(run);
        } finally {
          await dead?.release();
        }
      }
    },
  };
}

/** By run. */
type Owed = Readonly<Record<string, readonly HookSetting[]>>;

/** No solver can be called so. */
const place = "post hooks";
const lifeOf = (run: string) => `post-hooks:${run}`;
/** Milliseconds. */
const longestTurn = 30_000;
const never = new AbortController().signal;

function lives(error: unknown): undefined {
  if (!Problem.is(error) || !error.is("locked")) throw error;
}

function isOwed(value: unknown): value is Owed {
  return isRecord(value) && Object.values(value).every((hooks) => isListOf(hooks, isHook));
}

function isHook(value: unknown): value is HookSetting {
  if (!isRecord(value)) return false;
  const { run, shell = false, cwd = "", timeout = 0, passEnv = [] } = value;
  return (
    (isText(run) || isListOf(run, isText)) &&
    typeof shell === "boolean" &&
    isText(cwd) &&
    typeof timeout === "number" &&
    isListOf(passEnv, isText)
  );
}

function isListOf<T>(value: unknown, is: (item: unknown) => item is T): value is readonly T[] {
  return Array.isArray(value) && value.every((item) => is(item));
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
