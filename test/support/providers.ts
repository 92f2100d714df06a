/** docs/providers.md, made of docs/providers.yaml: for each DNS provider the shortest configuration that works. */
import { readFile } from "node:fs/promises";
import { parse } from "yaml";

export interface Provider {
  readonly name: string;
  /** Without scheme. */
  readonly site: string;
  readonly solver?: string;
  readonly script?: string;
  readonly lexicon?: string;
  readonly variables?: readonly string[];
}

export async function providers(): Promise<readonly Provider[]> {
  const text = await readFile(new URL("../../docs/providers.yaml", import.meta.url), "utf8");
  const all: readonly Provider[] = parse(text);
  return all;
}

/** The YAML of a provider; undefined for one that is delegated. */
export async function recipeOf(provider: Provider): Promise<string | undefined> {
  const { solver, script, lexicon } = provider;
  if (solver !== undefined) return ofReadme(solver);
  if (script !== undefined) return ofScript(script, provider);
  return lexicon === undefined ? undefined : ofLexicon(lexicon, provider);
}

/** The sections of the page below its introduction. */
export async function sectionsOf(all: readonly Provider[]): Promise<string> {
  const sections = await Promise.all(all.map(sectionOf));
  const others = all.filter(isDelegated).map(({ name, site }) => `[${name}](https://${site})`);
  return `${sections.join("")}## Only by delegation\n\nFor these, use [a CNAME](#any-other-provider): ${others.join(", ")}.`;
}

function isDelegated({ solver, script, lexicon }: Provider): boolean {
  return (solver ?? script ?? lexicon) === undefined;
}

async function sectionOf(provider: Provider): Promise<string> {
  const recipe = await recipeOf(provider);
  if (recipe === undefined) return "";
  const { name, site, solver } = provider;
  const more =
    solver === undefined ? "" : ` Built in: [${solver}](../plugins/${solver}/README.md).`;
  return `## ${name}\n\n<https://${site}>${more}\n\n\`\`\`yaml\n${recipe}\`\`\`\n\n`;
}

async function ofReadme(solver: string): Promise<string> {
  const readme = new URL(`../../plugins/${solver}/README.md`, import.meta.url);
  const [, recipe] = /```yaml\n(solvers:\n[^]*?)```/.exec(await readFile(readme, "utf8")) ?? [];
  if (recipe === undefined) throw new Error(`The README of ${solver} has no example`);
  return recipe;
}

function ofScript(script: string, { variables = [] }: Provider): string {
  return [
    "solvers:",
    `  ${script.slice("dns_".length)}:`,
    "    use: exec",
    "    style: acme.sh",
    "    acmeSh: /root/.acme.sh/acme.sh",
    `    command: [${script}]`,
    ...settings(variables),
    "",
  ].join("\n");
}

function ofLexicon(name: string, { variables = [] }: Provider): string {
  const call = (action: string) =>
    `[lexicon, ${name}, ${action}, "{zone}", TXT, "--name={fqdn}", "--content={value}"]`;
  return [
    "solvers:",
    `  ${name}:`,
    "    use: exec",
    "    style: template",
    `    command: ${call("create")}`,
    `    cleanupCommand: ${call("delete")}`,
    ...settings(variables),
    "",
  ].join("\n");
}

function settings(variables: readonly string[]): readonly string[] {
  const secret = variables.filter((name) => secretName.test(name));
  const open = variables.filter((name) => !secretName.test(name));
  return [
    ...(open.length === 0 ? [] : ["    env:", ...open.map((name) => `      ${name}: …`)]),
    ...(secret.length === 0
      ? []
      : ["    secrets:", ...secret.map((name) => `      ${name}: file:/etc/acmectl/${name}`)]),
  ];
}

const secretName =
  /key(?!_?id|_?file)|token|secret|pass|pwd|pswd|hash|creds|authdata|_(sk|as|ck)$|apipw|sha256|^DA_Api$/i;
