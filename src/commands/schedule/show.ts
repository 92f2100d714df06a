import { dateOf } from "../../dates.ts";
import type { Block, Result } from "../../result.ts";
import { thisMachine } from "../../schedule/machine.ts";
import type { Foreign } from "../../schedule/foreign.ts";
import { type Installed, showSchedules } from "../../schedule/show.ts";
import { storedCertificates } from "../../status/certificates.ts";
import type { StoredCertificate } from "../../state/store.ts";
import type { Context } from "../../context.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "schedule show",
  summary: "Show what runs `acmectl renew`, when next, and how the last attempt ended",
  options: {},
  async run(_, context): Promise<Result> {
    const { installed, foreign } = await showSchedules(thisMachine(context));
    const attempt = await lastAttempt(context);
    return {
      exitCode: 0,
      document: {
        outcome: installed.length === 0 ? "none" : "shown",
        schedules: installed,
        foreign,
        ...(attempt === undefined ? {} : { lastAttempt: attempt }),
      },
      view: viewOf(installed, foreign, attempt),
    };
  },
});

interface Attempt {
  readonly name: string;
  readonly at: string;
  readonly outcome: string;
}

/** The latest attempt of all certificates. */
async function lastAttempt(context: Context): Promise<Attempt | undefined> {
  const { certificates: stored } = await storedCertificates(await context.store());
  return stored
    .flatMap((one) => attemptOf(one))
    .toSorted((one, other) => one.at.localeCompare(other.at))
    .at(-1);
}

function attemptOf(certificate: StoredCertificate | undefined): readonly Attempt[] {
  const last = certificate?.status.lastAttempt;
  if (certificate === undefined || last === undefined) return [];
  return [{ name: certificate.name, at: last.startedAt, outcome: last.outcome ?? "unfinished" }];
}

function viewOf(
  installed: readonly Installed[],
  foreign: readonly Foreign[],
  attempt: Attempt | undefined,
): readonly Block[] {
  const none: readonly Block[] =
    installed.length > 0 || foreign.length > 0
      ? []
      : [
          {
            kind: "line",
            text: "Nothing runs acmectl renew. Set it up: acmectl schedule install",
            tone: "warn",
          },
        ];
  return [
    ...none,
    ...installed.map((one) => fieldsOf(one, attempt)),
    ...foreign.map(({ where, line }): Block => ({
      kind: "line",
      text: `Set up by hand, in ${where}: ${line.trim()}`,
    })),
  ];
}

function fieldsOf(
  { by, where, every, command, next, last, active }: Installed,
  attempt: Attempt | undefined,
): Block {
  return {
    kind: "fields",
    entries: [
      ["Run by", by],
      ["Where", where],
      ["Every", every ?? "unknown"],
      ["Command", command],
      ...(active === false
        ? [["State", "not active; start it with: acmectl schedule install", "bad"] as const]
        : []),
      ["Next", next === undefined ? "unknown" : dateOf(next)],
      ...(last === undefined ? [] : [["Last run", dateOf(last)] as const]),
      [
        "Last attempt",
        attempt === undefined
          ? "none"
          : `${dateOf(attempt.at)} ${attempt.name}: ${attempt.outcome}`,
      ],
    ],
  };
}
