import { randomUUID } from "node:crypto";
import type { CertificateRequest, HookSetting } from "../certificate.ts";
import { messageWithHint, Problem } from "../problem.ts";
import type { HeldCertificate, Lock, PendingHook } from "../state/store.ts";
import { commandTimeout, runHook } from "./command.ts";
import {
  certificateVariables,
  heldFiles,
  type HeldFiles,
  inheritedEnvironment,
  problemVariables,
  runVariables,
  type Variables,
} from "./environment.ts";
import type { DeployTools } from "./tools.ts";

/** The hooks around the issuing of one run's certificates. Identical `pre` and `post` commands run once. */
export interface Hooks {
  /** At the start of a run: the `post` commands of runs that were killed, which may have left a server stopped. */
  resume(): Promise<void>;
  /** Before anything is ordered. Rejects with a `machine` Problem when a command fails: this certificate is not to be ordered. */
  pre(request: CertificateRequest, held?: HeldCertificate): Promise<void>;
  /** Records that it was issued, for the `post` hook. */
  issued(request: CertificateRequest): void;
  /** It could not be issued. A command that fails only warns. */
  failure(request: CertificateRequest, error: unknown, held?: HeldCertificate): Promise<void>;
  /** At the end of the run, after Ctrl-C too: what `pre` has stopped has to be started. A command that fails only warns. */
  post(): Promise<void>;
}

type HookTools = Pick<
  DeployTools,
  "store" | "log" | "clock" | "signal" | "env" | "once" | "redact" | "requests"
>;

export function openHooks(tools: HookTools): Hooks {
  const tried = new Set<CertificateRequest>();
  const issued = new Set<CertificateRequest>();
  const failed = new Set<CertificateRequest>();
  const pending = openPendingHooks(tools.store);
  return {
    resume: () => resume(pending, tools),
    async pre(request, held) {
      tried.add(request);
      for (const hook of request.hooks.post ?? []) {
        const owed = { ...hook, certificate: request.name };
        const remember = () => warned(() => pending.remember(owed), tools);
        await tools.once.once(`pending ${keyOf(hook)}`, remember);
      }
      const { pre = [] } = request.hooks;
      if (pre.length === 0) return;
      const files = await filesIfReadable(request.name, held, tools);
      const variables = certificateVariables("pre", request, files);
      for (const hook of pre) {
        const run = () => runFor("pre", hook, [request], variables, tools);
        await tools.once.once(`pre ${keyOf(hook)}`, run).catch(refuseOrder);
      }
    },
    issued: (request) => void issued.add(request),
    async failure(request, error, held) {
      failed.add(request);
      const hooks = request.hooks.failure ?? [];
      if (hooks.length === 0) return;
      const files = await filesIfReadable(request.name, held, tools);
      const variables = {
        ...certificateVariables("failure", request, files),
        ...problemVariables(error),
      };
      for (const hook of hooks) {
        await warned(() => runFor("failure", hook, [request], variables, tools), tools);
      }
    },
    async post() {
      const requests = [...tried];
      const hooks = new Map(
        requests.flatMap(({ hooks: { post = [] } }) => post.map((hook) => [keyOf(hook), hook])),
      );
      await runPost(hooks.values(), requests, runVariables([...issued], [...failed]), tools);
      await warned(() => pending.forget(), tools);
    },
  };
}

/** An old certificate that cannot be read or decrypted must not stop its renewal. */
async function filesIfReadable(
  name: string,
  held: HeldCertificate | undefined,
  { store, log, signal }: HookTools,
): Promise<HeldFiles | undefined> {
  try {
    return await heldFiles(name, held, store);
  } catch (error) {
    if (signal.aborted || !Problem.is(error)) throw error;
    log.warn(`hooks get no files of ${name}: ${messageWithHint(error)}`);
    return undefined;
  }
}

/** Runs post hooks that a killed run still owes: they may restart a server. Failures only warn. */
async function resume(pending: PendingHooks, tools: HookTools): Promise<void> {
  const work = async (hooks: readonly PendingHook[]) => {
    for (const hook of hooks) {
      const of = hook.certificate === undefined ? "" : ` for ${hook.certificate}`;
      const text = `running the post hook of an earlier run${of} that was stopped: ${textOf(hook)}`;
      tools.log.warn(text);
    }
    await runPost(hooks, [], runVariables([], []), tools);
  };
  await warned(() => pending.settle(work), tools);
}

/** Not stopped by Ctrl-C: what `pre` has stopped must be started again. */
async function runPost(
  hooks: Iterable<HookSetting>,
  requests: readonly CertificateRequest[],
  variables: Variables,
  tools: HookTools,
): Promise<void> {
  const unstoppable = { ...tools, signal: new AbortController().signal };
  for (const hook of hooks) {
    const run = () => runFor("post", hook, requests, variables, unstoppable);
    await explained(hook, () => warned(run, unstoppable), tools);
  }
}

/** Whoever stops the run learns at once why it still waits, and at the second signal what was left. */
async function explained(
  hook: HookSetting,
  run: () => Promise<void>,
  { signal, log, clock }: HookTools,
): Promise<void> {
  const { timeout = commandTimeout } = hook;
  const end = clock.monotonic() + timeout;
  const warn = (text: string) => log.warn(text, { step: "post" });
  const title = `the post hook ${textOf(hook)}`;
  const onStop = () => {
    const left = Math.ceil((end - clock.monotonic()) / 1000);
    warn(`waiting at most ${left} s for ${title}; a second signal ends it at once`);
  };
  const onExit = () => warn(`ended ${title}; the next run starts it again`);
  if (signal.aborted) onStop();
  else signal.addEventListener("abort", onStop, { once: true });
  process.once("exit", onExit);
  try {
    await run();
  } finally {
    signal.removeEventListener("abort", onStop);
    process.off("exit", onExit);
  }
}

const textOf = ({ run }: HookSetting): string => [run].flat().join(" ");

/** A local problem: nothing was issued, and the CA was not asked. */
function refuseOrder(error: unknown): never {
  if (!Problem.is(error)) throw error;
  const again = "Fix it and run again; nothing was ordered.";
  throw new Problem("machine", {
    title: "A pre hook failed",
    detail: error.message,
    hint: error.hint === undefined ? again : `${error.hint} ${again}`,
    cause: error,
  });
}

async function runFor(
  event: string,
  hook: HookSetting,
  requests: readonly CertificateRequest[],
  variables: Variables,
  tools: HookTools,
): Promise<void> {
  const text = textOf(hook);
  tools.log.info(`running the ${event} hook ${text}`, { step: event });
  const inherited = inheritedEnvironment(tools, requests);
  await runHook(hook, `The ${event} hook \`${text}\``, { inherited, variables }, tools);
}

async function warned(run: () => Promise<void>, { log, signal }: HookTools): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (signal.aborted) return;
    if (!Problem.is(error)) throw error;
    log.warn(messageWithHint(error));
  }
}

/** Folder and time limit do not make it another command. */
function keyOf({ run, shell = false, passEnv = [] }: HookSetting): string {
  return JSON.stringify([run, shell, passEnv]);
}

type PendingHooks = ReturnType<typeof openPendingHooks>;

/** `post` hooks that runs still have to execute: if a run is killed after its `pre` hooks, the next run executes them. */
function openPendingHooks(store: DeployTools["store"]) {
  const { pendingHooks } = store;
  const mine = randomUUID();
  // Held until this run ends, so that other runs see that it is alive.
  let life: Promise<Lock> | undefined;
  const lifeOf = (run: string) => store.lock(`post-hooks:${run}`, { wait: 0, signal: never });

  return {
    /** On disk when this resolves. */
    async remember(hook: PendingHook): Promise<void> {
      life ??= lifeOf(mine);
      await life;
      await pendingHooks.add(mine, hook);
    },
    /** This run has executed its own. */
    async forget(): Promise<void> {
      if (life === undefined) return;
      await pendingHooks.remove(mine);
      await (await life).release();
    },
    /** Do `work` with the hooks of each run that was killed; runs that are alive keep theirs. */
    async settle(work: (hooks: readonly PendingHook[]) => Promise<void>): Promise<void> {
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
