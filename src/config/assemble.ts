/** From sections that were checked to the config that the commands read. */
import { dirname, resolve } from "node:path";
import type { Config, ConfiguredCertificate, ConfiguredDefaults } from "./config.ts";
import type { Sections } from "./sections.ts";

/** Relative plugin files become absolute, and each certificate gets what it leaves to `defaults`, its issuer and `dns`. */
export function assemble(path: string, exists: boolean, checked: Sections): Config {
  if (!isChecked(checked)) throw new TypeError("A section of the config was not read.");
  const { issuers, solvers, certificates, dns, notify, pull } = checked;
  const defaults = withSolvers(checked.defaults);
  return {
    path,
    exists,
    issuers,
    solvers: mapped(solvers, (solver) => ({ ...solver, use: pluginOf(solver.use, path) })),
    certificates: mapped(certificates, (written) => certificateOf(written, defaults, checked)),
    defaults,
    dns,
    notify,
    pull,
    state: checked.state,
  };
}

export function emptyConfig(path: string): Config {
  const empty = {
    issuers: {},
    solvers: {},
    certificates: {},
    defaults: {},
    dns: {},
    notify: {},
    pull: {},
    state: {},
  };
  return assemble(path, false, empty);
}

interface WithSolver {
  readonly solver?: string | undefined;
}
type WrittenCertificate = Partial<ConfiguredCertificate> & WithSolver;
interface Checked extends Pick<
  Config,
  "issuers" | "solvers" | "dns" | "notify" | "pull" | "state"
> {
  readonly certificates: Readonly<Record<string, WrittenCertificate>>;
  readonly defaults: ConfiguredDefaults & WithSolver;
}

/** These types follow from the declarations that the sections were read by, so their presence is all there is to see. */
function isChecked(sections: object): sections is Checked {
  return ["issuers", "solvers", "certificates", "defaults", "dns", "notify", "pull", "state"].every(
    (name) => Object.hasOwn(sections, name),
  );
}

function certificateOf(
  written: WrittenCertificate,
  defaults: ConfiguredDefaults,
  { issuers, dns }: Checked,
): ConfiguredCertificate {
  const own = withSolvers(written);
  const names = Object.keys(issuers);
  const order = orderOf(own) ?? orderOf(defaults) ?? (names.length === 1 ? names : []);
  const [issuer] = order;
  const ofIssuer = issuer === undefined ? undefined : issuers[issuer];
  return {
    preferredChain: ofIssuer?.preferredChain,
    ...defaults,
    ...own,
    ...profileOf([own, defaults, { profile: ofIssuer?.profile }]),
    issuer,
    issuers: order.length > 1 ? order : undefined,
    domains: written.domains ?? [],
    labels: written.labels ?? {},
    files: written.files ?? {},
    dns: { ...dns, ...written.dns },
  };
}

/** The issuers that one section names, first to last. */
function orderOf({
  issuer,
  issuers,
}: Pick<ConfiguredDefaults, "issuer" | "issuers">): readonly string[] | undefined {
  return issuer === undefined ? issuers : [issuer];
}

type Profiles = Pick<ConfiguredDefaults, "profile" | "requiredProfile">;

/** The two exclude each other, so the first source that has either decides. */
export function profileOf(sources: readonly Profiles[]): Profiles {
  const first = sources.find(
    ({ profile, requiredProfile }) => profile !== undefined || requiredProfile !== undefined,
  );
  return { profile: first?.profile, requiredProfile: first?.requiredProfile };
}

function withSolvers<T extends WithSolver>({ solver, ...others }: T) {
  return solver === undefined ? others : { ...others, solvers: [solver] };
}

function pluginOf(use: string, path: string): string {
  return /^\.{1,2}[/\\]/u.test(use) ? resolve(dirname(path), use) : use;
}

function mapped<T, R>(
  record: Readonly<Record<string, T>>,
  change: (value: T) => R,
): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
