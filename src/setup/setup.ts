/** A conversation from nothing to a certificate that is renewed. */
import { isForTesting, resolveServer } from "../acme/presets.ts";
import type { Context } from "../context.ts";
import { asProblem, Problem } from "../problem.ts";
import { composeIssuer } from "../request/issuer.ts";
import { line, type Result, verbatim } from "../result.ts";
import type { Answers } from "./answers.ts";
import { type Conversation, openConversation } from "./conversation.ts";
import { type Findings, lookAround, lookForZone } from "./findings.ts";
import { findCa, type FoundCa } from "./findings/ca.ts";
import { type Kept, openKept } from "./kept.ts";
import { type Known, namesOf, serverOf } from "./known.ts";
import { ownFolder } from "./own-folder.ts";
import { type Plan, planOf } from "./plan.ts";
import { nextQuestion } from "./questions.ts";
import type { GivenFlags, SolverFlags } from "./words.ts";

/** What the answers lead to: the commands that a person would type. */
export interface Acts {
  issue(flags: GivenFlags, solverFlags: SolverFlags, how: { rehearse: boolean }): Promise<Result>;
  configure(key: string, value: string): Promise<unknown>;
  /** Repeats the deploy steps. */
  deploy(name: string): Promise<Result>;
  schedule(): Promise<Result>;
}

export async function setUp(
  given: GivenFlags,
  context: Context,
  acts: Acts,
  conversation: Conversation = openConversation(context),
): Promise<Result> {
  const kept = await openKept(context);
  conversation.begin("acmectl setup: from nothing to a certificate that is renewed");
  const known = await converse(
    given,
    await resumed(kept, conversation),
    kept,
    context,
    conversation,
  );
  const plan = planOf(known, context.solverFlags);
  conversation.show(plan.commands.join("\n"), "The same without questions");
  const go = { kind: "yes", message: goMessage(plan), initial: true } as const;
  if ((await conversation.ask(go)) !== true) throw left();
  const problem = await perform(plan, acts, context, conversation);
  await kept.remove();
  conversation.end(problem === undefined ? "Done." : "The certificate is issued.");
  return present(plan, problem, context);
}

/** The answers to go on with, and those to offer again. */
async function resumed(
  kept: Kept,
  conversation: Conversation,
): Promise<{ answers: Answers; before: Answers }> {
  const before = await kept.read();
  if (before === undefined) return { answers: {}, before: {} };
  const note = Object.entries(before).map(([key, answer]) => `${key}: ${String(answer)}`);
  const message = "Continue with the answers of the last conversation?";
  const goOn = await conversation.ask({
    kind: "yes",
    message,
    note: note.join("\n"),
    initial: true,
  });
  return { answers: goOn === true ? before : {}, before };
}

async function converse(
  given: GivenFlags,
  { answers, before }: { answers: Answers; before: Answers },
  kept: Kept,
  context: Context,
  conversation: Conversation,
): Promise<Known> {
  const isRoot = context.uid === 0;
  let known: Known = { answers, before, given, isRoot, findings: await lookAround(context) };
  for (;;) {
    known = await lookFurther(known, context);
    const next = nextQuestion(known);
    if (next === undefined) return known;
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
  const own =
    first === undefined
      ? undefined
      : (known.own ?? (await ownFolder(given.name ?? first, context)));
  const zone =
    first === undefined || "zone" in findings
      ? {}
      : { zone: await lookForZone(first, given.dnsResolvers ?? [], context) };
  const ca =
    server === undefined || findings.ca !== undefined
      ? {}
      : { ca: await lookAtCa({ ...given, server }, context) };
  return { ...known, own, findings: { ...findings, ...zone, ...ca } };
}

async function lookAtCa(given: GivenFlags, context: Context): Promise<FoundCa> {
  return findCa(composeIssuer(given, undefined, await context.config()), context);
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
  acts: Acts,
  context: Context,
  conversation: Conversation,
): Promise<Problem | undefined> {
  if (setting !== undefined) await acts.configure(setting.key, setting.value);
  if (!isTrial(flags)) {
    const rehearsal = await acts.issue(flags, solverFlags, { rehearse: true });
    context.announce(rehearsal);
  }
  const issued = await acts.issue(flags, solverFlags, { rehearse: false });
  context.announce(issued);
  let { problem } = issued;
  if (server?.lines !== undefined) {
    const where = server.file === undefined ? "" : `, in ${server.file}`;
    conversation.show(server.lines, `Add to the configuration of ${server.kind}${where}`);
    const message = `Have you added them? acmectl then checks and reloads ${server.kind}.`;
    const added = await conversation.ask({ kind: "yes", message, initial: true });
    if (added === true) ({ problem } = await acts.deploy(name));
  }
  if (problem !== undefined) conversation.warn(`${problem.message}\n${problem.hint ?? ""}`);
  return (await schedule(acts, context, conversation)) ?? problem;
}

async function schedule(
  acts: Acts,
  context: Context,
  conversation: Conversation,
): Promise<Problem | undefined> {
  const message = "Install the schedule that renews it?";
  if ((await conversation.ask({ kind: "yes", message, initial: true })) !== true) return undefined;
  try {
    context.announce(await acts.schedule());
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
      line("The same without a conversation:", "strong"),
      verbatim(`${commands.map((one) => `  ${one}`).join("\n")}\n`),
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
