/** What a config must not say, beyond the types of its options. */
import { secretContents } from "../certificate.ts";
import { isRecord } from "../json.ts";
import { isReference, isSecretName } from "../options/secret.ts";
import type { NestedShape, Sections } from "./sections.ts";
import type { Fault } from "./yaml.ts";

type Values = Readonly<Record<string, unknown>>;

/** Names that lead nowhere, choices that exclude each other, certificates that lack what others would have given. */
export function crossFaults(sections: Sections): readonly Fault[] {
  const certificates = Object.entries(sections.certificates).flatMap(([name, certificate]) => {
    const keys = ["certificates", name];
    if (!isRecord(certificate)) return [];
    return [
      ...references(keys, certificate, sections),
      ...daneFaults([...keys, "dane"], certificate["dane"], sections),
      ...lacks(keys, certificate, sections),
    ];
  });
  return [...references(["defaults"], sections.defaults, sections), ...certificates];
}

function references(keys: readonly string[], values: Values, sections: Sections): Fault[] {
  const { issuer, issuers, solver, solvers } = values;
  return [
    ...unknownNames([...keys, "issuer"], [issuer], sections.issuers),
    ...unknownNames([...keys, "issuers"], issuers, sections.issuers),
    ...emptyIssuers(keys, issuers),
    ...repeatedIssuers(keys, issuers),
    // A CA that asks for no proof needs no solver.
    ...(solver === "none" ? [] : unknownNames([...keys, "solver"], [solver], sections.solvers)),
    ...(Array.isArray(solvers) && solvers.length === 1 && solvers[0] === "none"
      ? []
      : unknownNames([...keys, "solvers"], solvers, sections.solvers)),
    ...contradictions(keys, values),
  ];
}

function unknownNames(keys: readonly string[], names: unknown, known: Values): Fault[] {
  if (!Array.isArray(names)) return [];
  const isUnknown = (name: unknown) => typeof name === "string" && !Object.hasOwn(known, name);
  const section = keys.at(-1)?.startsWith("issuer") ? "issuers" : "solvers";
  return names.filter(isUnknown).map((name) => ({
    keys,
    message: `${keys.join(".")} names ${JSON.stringify(name)}, which is not one of the ${section}.`,
    hint: `Use one of the ${section} in the file: ${Object.keys(known).join(", ") || "none yet"}.`,
  }));
}

function emptyIssuers(keys: readonly string[], issuers: unknown): Fault[] {
  if (!Array.isArray(issuers) || issuers.length > 0) return [];
  return [
    {
      keys: [...keys, "issuers"],
      message: `${keys.join(".")}.issuers is empty.`,
      hint: "Name at least one of the issuers, or leave it out.",
    },
  ];
}

/** It would be asked twice. */
function repeatedIssuers(keys: readonly string[], issuers: unknown): Fault[] {
  if (!Array.isArray(issuers)) return [];
  return issuers.flatMap((name: unknown, index) =>
    issuers.indexOf(name) === index
      ? []
      : [
          {
            keys: [...keys, "issuers", index],
            message: `${keys.join(".")}.issuers names ${JSON.stringify(name)} twice.`,
            hint: "Name each issuer once.",
          },
        ],
  );
}

function contradictions(keys: readonly string[], values: Values): Fault[] {
  const pairs = [
    ["solver", "solvers"],
    ["issuer", "issuers"],
    ["profile", "requiredProfile"],
  ] as const;
  return pairs
    .filter(([one, other]) => values[one] !== undefined && values[other] !== undefined)
    .map(([one, other]) => ({
      keys: [...keys, other],
      message: `${keys.join(".")} has both ${one} and ${other}. Keep one of them.`,
    }));
}

function daneFaults(keys: readonly string[], dane: unknown, { solvers }: Sections): Fault[] {
  if (!isRecord(dane)) return [];
  const { ports, solver } = dane;
  const fault = (key: string, message: string, hint: string) => [
    { keys: [...keys, key], message: `${keys.join(".")}.${key} ${message}`, hint },
  ];
  return [
    ...(Array.isArray(ports) && (ports.length === 0 || !ports.every(isPort))
      ? fault("ports", "must list ports from 1 to 65535.", "Write e.g. ports: [25, 465, 587].")
      : []),
    ...unknownNames([...keys, "solver"], [solver], solvers),
  ];
}

/** True for a text. */
function isPort(port: unknown): boolean {
  return /^\d{1,5}$/.test(String(port)) && Number(port) > 0 && Number(port) <= 65_535;
}

function lacks(
  keys: readonly string[],
  { domains, csr, issuer, issuers: ordered }: Values,
  { issuers, defaults }: Sections,
): Fault[] {
  const faults: Fault[] = [];
  const lack = (what: string, hint?: string) =>
    faults.push({ keys, message: `${keys.join(".")} requires ${what}.`, hint, incomplete: true });
  if (csr === undefined && !(Array.isArray(domains) && domains.length > 0))
    lack("domains, or a csr");
  const known = Object.keys(issuers);
  const chosen = issuer ?? ordered ?? defaults["issuer"] ?? defaults["issuers"];
  if (known.length > 1 && chosen === undefined) {
    const hint = "Set its issuer, or defaults.issuer for all certificates.";
    lack(`an issuer, since the file has several: ${known.join(", ")}`, hint);
  }
  return faults;
}

/** `name` is where it was found. */
export function stepFault(
  name: string,
  step: Values,
  { oneOf = [], list }: Pick<NestedShape, "oneOf" | "list">,
): Omit<Fault, "keys"> | undefined {
  const said = oneOf.filter((option) => Object.hasOwn(step, option));
  if (oneOf.length > 0 && said.length !== 1) {
    const which = said.length === 0 ? "none of" : "more than one of";
    return {
      message: `${name} has ${which} ${oneOf.join(", ")}; ${list === true ? "a step has" : "it takes"} exactly one of them.`,
      hint: list === true ? "Write one list element for each step." : undefined,
      incomplete: said.length === 0,
    };
  }
  const message =
    commandFault(name, step) ??
    scriptFault(name, step) ??
    hostFault(name, step) ??
    valueFault(name, step);
  return message === undefined ? undefined : { message };
}

function scriptFault(
  name: string,
  { "acme.sh": script, scripts, variables }: Values,
): string | undefined {
  if (script === undefined && (scripts ?? variables) !== undefined)
    return `${name}: \`${scripts === undefined ? "variables" : "scripts"}\` is for \`acme.sh\` only.`;
  if (typeof script === "string" && !/^(\/.*\/)?\w[\w.-]*$/u.test(script))
    return `${name}.acme.sh is ${JSON.stringify(script)}; it takes the name of a deploy script, or its absolute path.`;
  const entries = Object.entries(isRecord(variables) ? variables : {});
  const wrong = entries.find(([key]) => !/^[A-Za-z_]\w*$/u.test(key));
  if (wrong !== undefined)
    return `${name}.variables: ${JSON.stringify(wrong[0])} is not the name of a variable.`;
  const open = entries.find(([key, value]) => isSecretName(key) && !isReference(String(value)));
  return open === undefined
    ? undefined
    : `${name}.variables.${open[0]} must be a reference to the secret: env:NAME, file:/path or cmd:program args.`;
}

function hostFault(name: string, values: Values): string | undefined {
  const { hosts, containers, signal, restart, secret } = values;
  if (secret !== undefined) return secretFault(name, values);
  if (hosts !== undefined && !remoteWork.some((option) => Object.hasOwn(values, option)))
    return `${name} has nothing to do on its hosts; it takes at least one of ${remoteWork.join(", ")}.`;
  if (restart !== undefined && !isTrue(restart)) return `${name}.restart takes true only.`;
  // ssh would take it as one of its own options.
  const wrong = listed(hosts).find((host) => !/^[^\s-][^\s]*$/u.test(host));
  if (wrong !== undefined) return `${name}.hosts: ${JSON.stringify(wrong)} is not a host.`;
  const odd = listed(containers).find((one) => !/^\/?[A-Za-z\d][\w.-]*$/u.test(one));
  if (odd !== undefined)
    return `${name}.containers: ${JSON.stringify(odd)} is not the name or id of a container.`;
  if (signal === undefined || /^"?[A-Za-z\d+-]+"?$/u.test(JSON.stringify(signal))) return undefined;
  return `${name}.signal is ${JSON.stringify(signal)}; it takes a signal such as HUP.`;
}

function secretFault(name: string, values: Values): string | undefined {
  const { secret, namespaces, keys, password, restart } = values;
  const odd = [secret, ...listed(namespaces)].find(
    (one) => !/^[a-z\d]([a-z\d.-]*[a-z\d])?$/u.test(String(one)),
  );
  if (odd !== undefined)
    return `${name}: ${JSON.stringify(odd)} is not a name for Kubernetes: use lower-case letters, digits, - and dots.`;
  const contents: readonly string[] = secretContents;
  for (const [key, content] of Object.entries(isRecord(keys) ? keys : {})) {
    if (!/^[-.\w]+$/u.test(key))
      return `${name}.keys: ${JSON.stringify(key)} is not a key of a Secret: use letters, digits, -, _ and dots.`;
    if (key === "tls.crt" || key === "tls.key")
      return `${name}.keys.${key} is always written; give other keys only.`;
    if (!contents.includes(String(content)))
      return `${name}.keys.${key} is ${JSON.stringify(content)}; it takes one of ${contents.join(", ")}.`;
    if (content === "pkcs12" && password === undefined)
      return `${name}.keys.${key} requires \`password\`, a reference such as file:/path.`;
  }
  const wrong = listed(restart).find(
    (one) => !/^(deployment|statefulset|daemonset)\/[a-z\d][a-z\d.-]*$/u.test(one),
  );
  return wrong === undefined
    ? undefined
    : `${name}.restart: ${JSON.stringify(wrong)} is not deployment/NAME, statefulset/NAME or daemonset/NAME.`;
}

const remoteWork = ["fullchain", "key", "cert", "chain", "combined", "run"];

function listed(value: unknown): readonly string[] {
  return (Array.isArray(value) ? value : [value ?? []]).flat().map(String);
}

function commandFault(name: string, { run, shell, passEnv }: Values): string | undefined {
  if (passEnv !== undefined && run === undefined) {
    return `${name}: \`passEnv\` is for \`run\` only; other steps get no variables.`;
  }
  if (run !== undefined && !isCommand(run)) {
    return `${name}.run must be a text, or a list of a program and its arguments.`;
  }
  if (Array.isArray(run) && isTrue(shell)) {
    return `${name}: with \`shell\`, \`run\` must be one text, not a list.`;
  }
  return undefined;
}

function valueFault(name: string, { mode, probe }: Values): string | undefined {
  if (mode !== undefined && !/^"?0?[0-7]{3}"?$/u.test(JSON.stringify(mode))) {
    return `${name}.mode is ${JSON.stringify(mode)}; it takes octal such as 0640.`;
  }
  if (typeof probe !== "string" || /^(\[[\da-fA-F:.]+\]|[^:\s/[\]]+):\d{1,5}$/u.test(probe)) {
    return undefined;
  }
  return `${name}.probe is ${JSON.stringify(probe)}; it takes HOST:PORT, an IPv6 address in brackets.`;
}

function isTrue(value: unknown): boolean {
  return value === true || /^(true|yes|on|1)$/iu.test(String(value));
}

function isCommand(run: unknown): boolean {
  if (typeof run === "string") return run.trim() !== "";
  return Array.isArray(run) && run.length > 0 && run.every((word) => typeof word === "string");
}
