/** The service: do what is due, then sleep until something else is due. */
import { openBell, type Bell } from "../bell.ts";
import type { Context } from "../context.ts";
import { dateOf } from "../dates.ts";
import type { RenewOptions } from "../renew/renew.ts";
import { asProblem, Problem } from "../problem.ts";
import { type Result, line } from "../result.ts";
import type { Store } from "../state/store.ts";
import { openDoors, type Doors, type Opened } from "./doors.ts";
import type { Health } from "./health.ts";
import type { Look } from "./next.ts";
import { passOnce } from "./pass.ts";
import { pullPass } from "./pull.ts";
import { openSettings, type Settings } from "./settings.ts";
import { openSupervisor, type Supervisor } from "./systemd.ts";

export interface ServiceOptions {
  readonly pass: RenewOptions;
  readonly doors: Doors;
}

/** Resolves when the run is stopped. */
export async function serve(options: ServiceOptions, context: Context): Promise<Result> {
  const settings = await openSettings(context);
  const store = await context.store();
  const inForce: Context = { ...context, interactive: false, config: () => settings.config() };
  const supervisor = openSupervisor(context);
  let health: Health = { passProblem: await faultOf(store) };
  const opened = await openDoors(options.doors, () => health, inForce);
  announce(opened, store, context);
  const bell = openBell(context);
  const news = openNews(store, bell.ring, inForce);
  const reloading = reloader(settings, supervisor, inForce, (configProblem) => {
    health = { ...health, configProblem };
  });
  const ended = reloading.listen(() => bell.ring());
  let passes = 0;
  try {
    // Before the first pass, which may take long: others ask meanwhile, and systemd waits for a minute and a half.
    await supervisor.ready("Making the first pass");
    let fruitless = 0;
    let next: Look = { at: context.clock.now() };
    while (!context.signal.aborted) {
      const isReloaded = await reloading.ifWanted();
      if (isReloaded || next.at <= context.clock.now()) {
        const { look, left, problem } = await passOnce(fruitless, options.pass, inForce, store);
        const lastPass = context.clock.now();
        health = { ...health, lastPass, nextPass: look.at, passProblem: problem };
        fruitless = left ? fruitless + 1 : 0;
        next = look;
        passes += 1;
        await supervisor.status(statusOf(look, problem));
      }
      const pullAt = await pullPass(inForce);
      news.listen(pullAt !== undefined);
      await sleepUntil(pullAt !== undefined && pullAt < next.at ? pullAt : next.at, bell, context);
    }
  } catch (error) {
    assertStopped(error, context);
  } finally {
    ended();
    news.listen(false);
    await supervisor.stopping();
    await opened.close();
  }
  return { document: { outcome: "ended", passes }, view: [line("Stopped.", "dim")] };
}

/** Why the state cannot be used now, if it cannot. */
async function faultOf(store: Store): Promise<string | undefined> {
  const found = await store.exists().catch(asProblem);
  return Problem.is(found) ? found.message : undefined;
}

/** Milliseconds between two looks whether the state can be used, where `/readyz` may be asked. */
const lookInterval = 10_000;

/** Only answers others, until the run is stopped. */
export async function stay(doors: Doors, context: Context): Promise<Result> {
  const { clock, signal } = context;
  const store = await context.store();
  const supervisor = openSupervisor(context);
  let passProblem = await faultOf(store);
  const opened = await openDoors(doors, () => ({ passProblem }), context);
  announce(opened, store, context);
  await supervisor.ready(opened.listening.join("; "));
  try {
    while (!signal.aborted) {
      await clock.sleep(lookInterval, signal);
      if (doors.health.length > 0 || passProblem !== undefined) passProblem = await faultOf(store);
    }
    signal.throwIfAborted();
  } catch (error) {
    assertStopped(error, context);
  } finally {
    await supervisor.stopping();
    await opened.close();
  }
  return { document: { outcome: "ended" }, view: [line("Stopped.", "dim")] };
}

function announce({ listening }: Opened, { where }: Store, context: Context): void {
  context.announce({
    document: { outcome: "running", listening, state: where },
    view: [line(`Running with the state in ${[where, ...listening].join("; ")}.`)],
  });
}

/** After a signal the exit code is 0; a bug of ours or a lost stdout is an error. */
function assertStopped(error: unknown, { signal }: Context): void {
  const reason: unknown = signal.aborted ? signal.reason : error;
  if (!Problem.is(reason) || !reason.is("interrupted")) throw reason;
}

function statusOf({ at, name }: Look, problem: string | undefined): string {
  if (problem !== undefined) return `The last pass failed: ${problem}`;
  const until = `Waiting until ${dateOf(at)}`;
  return name === undefined ? until : `${until}: ${name}`;
}

/** Reads the config again before the next pass, after SIGHUP or a change of the file. */
function reloader(
  settings: Settings,
  supervisor: Supervisor,
  { log, configPath, onHangup }: Context,
  report: (problem: string | undefined) => void,
) {
  let isWanted = false;
  return {
    listen(ring: () => void) {
      const want = () => {
        isWanted = true;
        ring();
      };
      const ends = [onHangup(want), settings.onChange(want)];
      return () => ends.forEach((end) => end());
    },
    async ifWanted(): Promise<boolean> {
      if (!isWanted) return false;
      isWanted = false;
      await supervisor.reloading();
      const problem = await settings.reload();
      if (problem === undefined) log.info(`read ${configPath} again`, { step: "config" });
      else
        log.warn(
          `the previous config stays in force: ${problem.message} Hint: Run \`acmectl config validate\`, then fix the file.`,
          { step: "config" },
        );
      report(problem?.message);
      await supervisor.ready("Read the config again");
      return true;
    },
  };
}

/** Rings when other runs have committed something to pull: after a moment, since many may do so at once. */
function openNews(
  { certificates }: Store,
  ring: () => void,
  { clock, signal }: Pick<Context, "clock" | "signal">,
) {
  let isNear = false;
  let stop: (() => void) | undefined;
  const onCommit = async () => {
    if (isNear) return;
    isNear = true;
    await clock.sleep(gathering * (1 + Math.random()), signal).catch(() => undefined);
    isNear = false;
    ring();
  };
  return {
    listen(isWanted: boolean) {
      if (isWanted) stop ??= certificates.onCommit?.(() => void onCommit());
      if (isWanted) return;
      stop?.();
      stop = undefined;
    },
  };
}

/** Milliseconds. */
const gathering = 1_000;
const minute = 60_000;

/** Until a time of the wall clock, which may be set meanwhile, or until the bell rings. */
async function sleepUntil(until: Date, bell: Bell, { clock }: Pick<Context, "clock">) {
  for (;;) {
    const left = until.getTime() - clock.now().getTime();
    if (await bell.sleep(Math.min(Math.max(left, 0), minute))) return;
    if (until <= clock.now()) return;
  }
}
