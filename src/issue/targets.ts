import type { CertificateRequest, DnsSetting, SolverSetting } from "../certificate.ts";
import type { ChallengeType, Identifier, Target } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { selectSolvers, type Selection } from "./selection.ts";
import type { OpenSolver } from "./solvers.ts";
import type { IssueTools } from "./tools.ts";

/** A name of the request with the solvers that may answer for it, best first. */
export interface Assignment {
  /** As ordered, a wildcard with its `*.`. */
  readonly identifier: Identifier;
  readonly candidates: readonly Candidate[];
}
export interface Candidate {
  readonly open: OpenSolver;
  readonly challengeType: ChallengeType;
  readonly target: Target;
}

/** What a wildcard is called by the CA: the name without `*.` (RFC 8555 §7.1.4). */
export function baseOf(identifier: Identifier): Identifier {
  return { ...identifier, value: identifier.value.replace(/^\*\./, "") };
}

/** The DNS setting in force for a solver: its own over the request's. */
export function dnsSettingOf(request: CertificateRequest, setting: SolverSetting): DnsSetting {
  return { ...request.dns, ...setting.dns };
}

/** Choose for every name, offline. A name that no solver can serve is a Problem that says why for each of them. */
export async function selectAll(
  request: CertificateRequest,
  tools: Pick<IssueTools, "solvers">,
): Promise<readonly Selection[]> {
  const plugins = new Map(
    await Promise.all(
      request.solvers.map(
        async (setting) => [setting, await tools.solvers.plugin(setting)] as const,
      ),
    ),
  );
  return request.identifiers.map((identifier) =>
    selectSolvers(identifier, request, (setting) => {
      const plugin = plugins.get(setting);
      if (plugin === undefined) throw new Error(`solver ${setting.name} was not loaded`);
      return plugin;
    }),
  );
}

/** A name with the solvers that may answer for it, created, best first. */
export interface ServedName {
  readonly identifier: Identifier;
  readonly solvers: readonly { readonly open: OpenSolver; readonly challengeType: ChallengeType }[];
}

/** Choose and create the solvers of every name: what can be known of wrong options is told before any request is made. */
export async function serveNames(
  request: CertificateRequest,
  tools: IssueTools,
): Promise<readonly ServedName[]> {
  const selections = await selectAll(request, tools);
  assertServed(selections);
  return Promise.all(
    selections.map(async ({ identifier, choices }) => ({
      identifier,
      solvers: await Promise.all(
        choices.map(async ({ setting, challengeType }) => ({
          open: await tools.solvers.open(setting),
          challengeType,
        })),
      ),
    })),
  );
}

/** Follow CNAMEs where dns-01 is used, and let each solver check itself before an order exists. */
export async function assignSolvers(
  names: readonly ServedName[],
  request: CertificateRequest,
  tools: IssueTools,
): Promise<readonly Assignment[]> {
  const assignments = await Promise.all(
    names.map(async ({ identifier, solvers }) => ({
      identifier,
      candidates: await Promise.all(
        solvers.map(async ({ open, challengeType }) => ({
          open,
          challengeType,
          target: await targetOf(
            identifier,
            challengeType,
            dnsSettingOf(request, open.setting),
            tools,
          ),
        })),
      ),
    })),
  );
  return preflight(assignments, tools);
}

function assertServed(selections: readonly Selection[]): void {
  const unserved = selections.filter(({ choices }) => choices.length === 0);
  if (unserved.length === 0) return;
  const reasons = unserved.map(({ identifier, rejected }) => {
    const why = rejected.map(({ setting, reason }) => `${setting.name}: ${reason}`).join("; ");
    return `${identifier.value} (${why || "no solver is configured"})`;
  });
  throw new Problem("usage", {
    title: "No solver can prove a name",
    detail: `No solver can answer for ${reasons.join(", and none for ")}.`,
    hint: unserved.some(({ identifier }) => identifier.value.startsWith("*."))
      ? "A wildcard needs a dns-01 solver, e.g. --solver route53; `acmectl solvers list` shows them all."
      : "Choose one with --solver NAME, or widen its `select` in the config; `acmectl solvers list` shows them all.",
  });
}

async function targetOf(
  identifier: Identifier,
  type: ChallengeType,
  setting: DnsSetting,
  tools: IssueTools,
): Promise<Target> {
  const base = baseOf(identifier);
  const wildcard = base.value !== identifier.value;
  if (type !== "dns-01") return { identifier: base, wildcard };
  const validationName = `_acme-challenge.${base.value}`;
  const recordName =
    setting.cname === "none"
      ? validationName
      : (await tools.dns(setting).follow(validationName, tools.signal)).name;
  if (recordName !== validationName) {
    tools.log.info(`${validationName} is delegated to ${recordName}`, {
      step: "preflight",
      identifier: base.value,
    });
  }
  return { identifier: base, wildcard, validationName, recordName };
}

/** A candidate whose preflight fails makes room for the next one; the first failure is told when none is left. */
async function preflight(
  assignments: readonly Assignment[],
  tools: IssueTools,
): Promise<readonly Assignment[]> {
  const failures = new Map<OpenSolver, unknown>();
  for (const [open, targets] of targetsBySolver(assignments)) {
    try {
      await open.solver.preflight?.(targets, { signal: tools.signal });
    } catch (error) {
      tools.signal.throwIfAborted();
      failures.set(open, error);
    }
  }
  return assignments.map(({ identifier, candidates }) => {
    const able = candidates.filter(({ open }) => !failures.has(open));
    const [first] = candidates;
    if (able.length === 0 && first !== undefined) throw failures.get(first.open);
    if (first !== undefined && able[0] !== first) {
      const reason = failures.get(first.open);
      tools.log.warn(
        `solver ${first.open.setting.name} cannot be used for ${identifier.value}: ${reason instanceof Error ? reason.message : String(reason)}; trying ${able[0]?.open.setting.name}`,
        { step: "preflight", identifier: identifier.value },
      );
    }
    return { identifier, candidates: able };
  });
}

function targetsBySolver(assignments: readonly Assignment[]): Map<OpenSolver, Target[]> {
  const targets = new Map<OpenSolver, Target[]>();
  for (const { open, target } of assignments.flatMap(({ candidates }) => candidates)) {
    targets.set(open, [...(targets.get(open) ?? []), target]);
  }
  return targets;
}
