import { describeHeld } from "../renew/describe.ts";
import { defineCommand, type CommandContext } from "./command.ts";
import { openFolderStore } from "../store/folder.ts";
import { Problem } from "../problem.ts";
import type { Block, Result } from "../result.ts";
import type { PendingOrder, Store, StoredCertificate } from "../store/store.ts";

export const command = defineCommand({
  name: "status",
  summary: "Show one certificate: what is held, and the last attempt step by step",
  arguments: [
    {
      usage: "<name>",
      description: "what the certificate is called; `acmectl list` shows the names",
    },
  ],
  examples: ["acmectl status example.com", "acmectl status example.com --json"],
  options: {},
  async run(_, context): Promise<Result> {
    const store = openFolderStore(context.stateFolder, context);
    const certificate = await findCertificate(context.args[0] ?? "", store, context);
    const pending = await store.journal.read(certificate.name);
    return {
      exitCode: 0,
      document: { outcome: "shown", certificates: [documentOf(certificate, pending, context)] },
      view: viewOf(certificate, pending, context.clock.now()),
    };
  },
});

async function findCertificate(
  name: string,
  store: Store,
  { stateFolder }: CommandContext,
): Promise<StoredCertificate> {
  const found = await store.certificates.read(name);
  if (found !== undefined) return found;
  const names = await store.certificates.names();
  throw new Problem("usage", {
    detail: `No certificate is called "${name}" in ${stateFolder}.`,
    hint:
      names.length === 0
        ? "Nothing was issued yet: acmectl issue -d NAME."
        : `There are: ${names.join(", ")}.`,
  });
}

function documentOf(
  { name, request, status, held }: StoredCertificate,
  pending: PendingOrder | undefined,
  { clock }: CommandContext,
): Record<string, unknown> {
  const described =
    held === undefined
      ? { name, identifiers: request.identifiers }
      : describeHeld(request, held, "held", clock.now()).document;
  return {
    ...described,
    outcome: held === undefined ? "missing" : "held",
    request: { ...request, csr: undefined },
    status,
    ...(pending === undefined
      ? {}
      : { pendingOrder: pending.orderUrl, presented: pending.presented.length }),
  };
}

function viewOf(
  certificate: StoredCertificate,
  pending: PendingOrder | undefined,
  now: Date,
): readonly Block[] {
  const { name, request, held, status } = certificate;
  const { lastAttempt } = status;
  return [
    { kind: "heading", text: name },
    ...(held === undefined
      ? [{ kind: "line", text: "No certificate is held.", tone: "warn" } as const]
      : describeHeld(request, held, "held", now).view),
    {
      kind: "fields",
      entries: [
        ["Names", request.identifiers.map(({ value }) => value).join(", ")],
        ["CA", request.issuer.server],
        ["Key", request.keyType],
        ["Solvers", request.solvers.map(({ name: solver }) => solver).join(", ")],
        ...(status.retryAt === undefined
          ? []
          : [["Not again before", status.retryAt, "warn"] as const]),
        ...(pending?.orderUrl === undefined
          ? []
          : [["Unfinished order", pending.orderUrl, "warn"] as const]),
      ],
    },
    ...(lastAttempt === undefined ? [] : attemptView(lastAttempt)),
  ];
}

function attemptView(
  attempt: NonNullable<StoredCertificate["status"]["lastAttempt"]>,
): readonly Block[] {
  const { startedAt, outcome = "unfinished", events, problem } = attempt;
  return [
    { kind: "heading", text: `Last attempt: ${outcome}, begun ${startedAt}` },
    {
      kind: "table",
      columns: ["TIME", "STEP", "WHAT"],
      rows: events.map(({ at, step, message }) => [at.slice(11, 19), step, message]),
    },
    ...(problem === undefined
      ? []
      : [
          { kind: "line", text: `${problem.title}: ${problem.detail ?? ""}`, tone: "bad" } as const,
        ]),
    ...(problem?.hint === undefined
      ? []
      : [{ kind: "line", text: `Hint: ${problem.hint}` } as const]),
  ];
}
