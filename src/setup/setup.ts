/** A conversation from nothing to a certificate that is renewed. */
import { isForTesting, resolveServer } from "../acme/presets.ts";
import { printable } from "../acme/text.ts";
import type { Context } from "../context.ts";
import { asProblem, messageWithHint, Problem } from "../problem.ts";
import { line, type Result, verbatim } from "../result.ts";
import { type Kept, openKept } from "./answers.ts";
import { type Conversation, openConversation } from "./conversation.ts";
import { type Findings, lookAround, lookAtCa, lookForZone, ownFolder } from "./findings.ts";
import { type Known, namesOf, serverOf } from "./known.ts";
import { type Plan, planOf, type ServerLines } from "./plan.ts";
import { progressOf } from "./questions.ts";
import type { GivenFlags, SolverFlags } from "./command-line.ts";

/** The commands that a person would type. */
export interface Commands {
  issue(flags: GivenFlags, solverFlags: SolverFlags, how: { rehearse: boolean }): Promise<Result>;
  configure(key: string, value: string): Promise<unknown>;
  /** Repeats the deploy steps. */
  deploy(name: string): Promise<Result>;
  schedule(): Promise<Result>;
}

export async function setUp(
  given: GivenFlags,
  context: Context,
  run: Commands,
  conversation: Conversation = openConversation(context),
): Promise<Result> {
  const kept = await openKept(context);
  conversation.begin("acmectl setup: from nothing to a certificate that is renewed");
  const start = await resumed(kept, conversation);
  const known = await converse(given, start, kept, context, conversation);
  const plan = planOf(known, context.solverFlags);
  conversation.show(plan.commands.join("\n"), "What acmectl will run");
  const go = { kind: "yes", message: goMessage(plan), initial: true } as const;
  if ((await conversation.ask(go)) !== true) throw left();
  const problem = await perform(plan, run, context, conversation).catch((error: unknown) => {
    const isLeft = Problem.is(error) && error.is("interrupted");
    if (!isLeft) conversation.end("Your answers are kept. Run `acmectl setup` again to continue.");
    throw error;
  });
  await kept.remove();
  conversation.end(
    problem === undefined ? "Done." : "The certificate is issued, but a later step failed.",
  );
  return present(plan, problem, context);
}

/** The answers to go on with, and those to offer again. */
async function resumed(
  kept: Kept,
  conversation: Conversation,
): Promise<Pick<Known, "answers" | "earlier">> {
  const earlier = await kept.read();
  if (earlier === undefined) return { answers: {}, earlier: {} };
  const { domains } = earlier;
  const continues = await conversation.ask({
    kind: "yes",
    message: "Continue with the answers of the last conversation?",
    note: domains === undefined ? undefined : `It was about ${printable(domains)}.`,
    initial: true,
  });
  return { answers: continues === true ? earlier : {}, earlier };
}

async function converse(
  given: GivenFlags,
  start: Pick<Known, "answers" | "earlier">,
  kept: Kept,
  context: Context,
  conversation: Conversation,
): Promise<Known> {
  const isRoot = context.uid === 0;
  let known: Known = { ...start, given, isRoot, findings: await lookAround(context) };
  for (;;) {
    known = await lookFurther(known, context);
    const { answers, next } = progressOf(known);
    if (next === undefined) return { ...known, answers };
    const answer = await conversation.ask(next.question);
    if (next.key === "agreeTos" && answer !== true) throw notAgreed(known.findings);
    known = { ...known, answers: { ...known.answers, [next.key]: answer } };
    await kept.write(known.answers);
  }
}

/** What can be looked for only with an answer, each once. */
async function lookFurther(known: Known, context: Context): Promise<Known> {
  const { given, findings } = known;
  const [first] = namesOf(known);
  const server = serverOf(known);
  let { own } = known;
  let found = findings;
  if (first !== undefined) {
    own ??= await ownFolder(given.name ?? first, context);
    if (!("zone" in found))
      found = { ...found, zone: await lookForZone(first, given.dnsResolvers ?? [], context) };
  }
  if (server !== undefined && found.ca === undefined)
    found = { ...found, ca: await lookAtCa({ ...given, server }, context) };
  return { ...known, own, findings: found };
}

function goMessage({ flags }: Plan): string {
  return isTrial(flags)
    ? "Get the certificate now?"
    : "Rehearse this, and then get the certificate?";
}

/** From a CA for testing, whose certificates are a rehearsal themselves. */
function isTrial({ server = "letsencrypt", staging }: GivenFlags): boolean {
  return staging === true || isForTesting(resolveServer(server));
}

/** Answers the Problem of what can be repeated later. */
async function perform(
  { name, flags, solverFlags, setting, server }: Plan,
  run: Commands,
  context: Context,
  conversation: Conversation,
): Promise<Problem | undefined> {
  if (setting !== undefined) await run.configure(setting.key, setting.value);
  if (!isTrial(flags)) {
    const rehearsal = await run.issue(flags, solverFlags, { rehearse: true });
    context.announce(rehearsal);
  }
  const issued = await run.issue(flags, solverFlags, { rehearse: false });
  context.announce(issued);
  let { problem } = issued;
  if (server?.lines !== undefined) {
    const isReloaded = flags.reload !== undefined;
    conversation.show(server.lines, titleOf(server) + (isReloaded ? "" : ", then reload it"));
    const message = `Have you added them? acmectl then checks and reloads ${server.kind}.`;
    const isAdded = isReloaded && (await conversation.ask({ kind: "yes", message, initial: true }));
    if (isAdded === true) ({ problem } = await run.deploy(name));
  }
  if (problem !== undefined) conversation.warn(messageWithHint(problem));
  return (await schedule(run, context, conversation)) ?? problem;
}

function titleOf({ kind, file, current }: ServerLines): string {
  const where = file === undefined ? "" : `, in ${file}`;
  const place = current === undefined ? "" : `, in place of ${current}`;
  return `Add to the configuration of ${kind}${where}${place}`;
}

async function schedule(
  run: Commands,
  context: Context,
  conversation: Conversation,
): Promise<Problem | undefined> {
  const message = "Install the schedule that renews it?";
  if ((await conversation.ask({ kind: "yes", message, initial: true })) !== true) {
    conversation.warn("The certificate expires unless `acmectl renew` runs regularly.");
    return undefined;
  }
  try {
    context.announce(await run.schedule());
    return undefined;
  } catch (error) {
    return asProblem(error);
  }
}

function present(
  { name, commands, config }: Plan,
  problem: Problem | undefined,
  context: Context,
): Result {
  return {
    document: { outcome: "done", name, commands, config },
    view: [
      line("The same without questions:", "strong"),
      // As lines, they get the --state and --config that were typed.
      ...commands.map((one) => line(`  ${one}`)),
      line(`Or in ${context.configPath}, followed by \`acmectl apply\`:`, "strong"),
      verbatim(config),
    ],
    problem,
  };
}

function left(): Problem {
  return new Problem("usage", {
    detail: "Nothing was ordered, because the answer was not yes.",
    hint: "Run `acmectl setup` again to continue or to change your answers.",
  });
}

function notAgreed({ ca }: Findings): Problem {
  return new Problem("usage", {
    title: "The CA's terms of service were not agreed to",
    detail: `The CA registers an account only with agreement to its terms of service${ca?.terms === undefined ? "." : `: ${ca.terms}`}`,
    hint: "Run `acmectl setup` again, and agree to them or choose another CA.",
  });
}
