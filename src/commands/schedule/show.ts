import { dateOf } from "../../dates.ts";
import { type Block, type Result, fields, line } from "../../result.ts";
import { thisMachine } from "../../schedule/machine.ts";
import type { Foreign } from "../../schedule/found.ts";
import { type Installed, showSchedules } from "../../schedule/show.ts";
import { storedCertificates } from "../../status/certificates.ts";
import type { Context } from "../../context.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "schedule show",
  summary: "Show what renews certificates regularly, when next, and how the last attempt ended",
  options: {},
  async run(_, context): Promise<Result> {
    const { installed, foreign } = await showSchedules(thisMachine(context));
    const attempt = await lastAttempt(context);
    const outcome = installed.length === 0 ? "none" : "shown";
    return {
      document: { outcome, schedules: installed, foreign, lastAttempt: attempt },
      view: viewOf(installed, foreign, attempt),
    };
  },
});

type Attempt = Readonly<Record<"name" | "at" | "outcome", string>>;

async function lastAttempt(context: Context): Promise<Attempt | undefined> {
  const { certificates } = await storedCertificates(await context.store());
  const attempts = certificates.flatMap(({ name, status: { lastAttempt: last } }): Attempt[] =>
    last === undefined ? [] : [{ name, at: last.startedAt, outcome: last.outcome ?? "unfinished" }],
  );
  return attempts.toSorted((one, other) => one.at.localeCompare(other.at)).at(-1);
}

function viewOf(
  installed: readonly Installed[],
  foreign: readonly Foreign[],
  attempt: Attempt | undefined,
): readonly Block[] {
  if (installed.length + foreign.length === 0)
    return [
      line("Nothing renews certificates regularly. Set it up: acmectl schedule install", "warn"),
    ];
  return [
    ...installed.map((one) => fieldsOf(one, attempt)),
    ...foreign.map((one) => line(`Run by ${one.where}: ${one.line.trim()}`)),
  ];
}

function fieldsOf(
  { by, where, every, service, command, next, last, active }: Installed,
  attempt: Attempt | undefined,
): Block {
  const again = service === undefined ? "" : " --service";
  const inactive = `not active; start it with: acmectl schedule install${again}`;
  const ended = attempt && `${dateOf(attempt.at)} ${attempt.name}: ${attempt.outcome}`;
  return fields([
    ["Run by", by],
    ["Where", where],
    ["Every", service === undefined ? (every ?? "unknown") : "when something is due"],
    ["Command", command],
    ["State", active === false ? inactive : undefined, "bad"],
    ["Status", service],
    ["Next", next === undefined ? (service === undefined ? "unknown" : undefined) : dateOf(next)],
    ["Last run", last && dateOf(last)],
    ["Last attempt", ended ?? "none"],
  ]);
}
