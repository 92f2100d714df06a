/** certbot's authenticators, as acmectl's solvers. */
import { isFile, readText } from "../files.ts";
import { type Answering, type FoundOption, standalone, waitNote } from "../found.ts";
import { type IniSection, parseIni, valueOf } from "./ini.ts";

/** Where a file of certbot's folder is now. */
type Locate = (path: string) => Promise<string>;

/** The solvers of one renewal. Without an equivalent there is no solver, and a note that says what to do. */
export async function solversOf(
  parameters: IniSection,
  names: readonly string[],
  locate: Locate,
): Promise<Answering> {
  const written = valueOf(parameters, "authenticator") ?? "";
  const authenticator = formerNames[written] ?? written.replace(/^.*:/, "");
  if (authenticator === "standalone") {
    const address = valueOf(parameters, "http01_address");
    return { solvers: [standalone(valueOf(parameters, "http01_port"), address)], notes: [] };
  }
  if (authenticator === "webroot") return webroot(parameters, names);
  if (authenticator === "manual") return scripts(parameters, names, locate);
  const plugin = dnsPlugins[authenticator];
  if (plugin !== undefined) return dnsSolver(authenticator, plugin, parameters, locate);
  return { solvers: [], notes: [noEquivalent(authenticator)] };
}

/** Former names of plugins that are part of certbot now. */
const formerNames: Readonly<Record<string, string>> = { "certbot-route53:auth": "dns-route53" };

function webroot(parameters: IniSection, names: readonly string[]): Answering {
  const map = parameters.sections["webroot_map"];
  const folders = Object.keys(map?.values ?? {})
    .map((name) => [name, valueOf(map, name) ?? ""] as const)
    .filter(([, folder]) => folder !== "");
  const [first] = parameters.values["webroot_path"] ?? folders.map(([, folder]) => folder);
  const none =
    "certbot stored no folder for its authenticator webroot: import again with --webroot DIR.";
  if (first === undefined) return { solvers: [], notes: [none] };
  const same = folders.every(([, folder]) => folder === first);
  const mapped = folders.map(([name]) => name);
  const lost = same ? [] : names.filter((name) => !mapped.includes(name));
  const options = {
    directory: { value: first },
    directories: same ? undefined : { value: Object.fromEntries(folders) },
  };
  const notes = lost.map((name) => `certbot stored no folder for ${name}; acmectl uses ${first}.`);
  return { solvers: [{ use: "webroot", options }], notes };
}

/** Hooks work as they are; a person has no equivalent. */
async function scripts(
  parameters: IniSection,
  names: readonly string[],
  locate: Locate,
): Promise<Answering> {
  const hook = await locatedCommand(valueOf(parameters, "manual_auth_hook"), locate);
  const cleanup = await locatedCommand(valueOf(parameters, "manual_cleanup_hook"), locate);
  const programs = [hook, cleanup].flatMap(
    (line) => /^\/[^\s'"\\;&|<>$]+/.exec(line ?? "")?.[0] ?? [],
  );
  const [preferred] = parameters.values["pref_challs"] ?? [];
  // A wildcard can only have been proved by dns-01 (RFC 8555 section 7.1.3).
  const dns = /^dns(-01)?$/.test(preferred ?? "") || names.some((name) => name.startsWith("*."));
  if (hook === undefined) {
    const note = `A person answered by hand (authenticator manual), for which acmectl has no equivalent: import again with --webroot DIR, --standalone or --solver NAME.`;
    return { solvers: [], notes: [note] };
  }
  const options = {
    style: { value: "certbot" },
    shell: { value: true },
    command: { value: [hook] },
    // certbot cleans nothing up where it has no hook for that.
    cleanupCommand: { value: [cleanup ?? "true"] },
  };
  const notes = programs.map(async (path) =>
    (await isFile(path)) ? [] : [`The solver exec is not ready: ${path} does not exist.`],
  );
  const challenge = dns ? undefined : "http-01";
  const solvers = [{ use: "exec", challenge, options }] as const;
  return { solvers, notes: (await Promise.all(notes)).flat() };
}

/** The program of a shell line where it is now. */
async function locatedCommand(line: string | undefined, locate: Locate) {
  const program = /^[^\s'"\\;&|<>$]+/.exec(line ?? "")?.[0];
  if (line === undefined || program === undefined) return line;
  return (await locate(program)) + line.slice(program.length);
}

interface DnsPlugin {
  readonly use: string;
  /** Keys of the credentials file, without the plugin's prefix, and our options; none where the file itself is the secret. */
  readonly keys: Readonly<Record<string, string>>;
  /** The option that names the credentials file as a whole. */
  readonly file?: string;
  /** certbot's defaults for absent keys. */
  readonly defaults?: Readonly<Record<string, string>>;
}

const dnsPlugins: Readonly<Record<string, DnsPlugin>> = {
  "dns-cloudflare": {
    use: "cloudflare",
    keys: { api_token: "apiToken", email: "email", api_key: "apiKey" },
  },
  "dns-digitalocean": { use: "digitalocean", keys: { token: "token" } },
  "dns-google": { use: "google", keys: {}, file: "credentialsFile" },
  "dns-route53": { use: "route53", keys: {} },
  "dns-rfc2136": {
    use: "rfc2136",
    keys: {
      server: "server",
      port: "port",
      name: "tsigKeyName",
      secret: "tsigSecret",
      algorithm: "tsigAlgorithm",
      sign_query: "signQuery",
    },
    defaults: { tsigAlgorithm: "hmac-md5" },
  },
};

async function dnsSolver(
  authenticator: string,
  plugin: DnsPlugin,
  parameters: IniSection,
  locate: Locate,
): Promise<Answering> {
  const prefix = authenticator.replaceAll("-", "_");
  const written = valueOf(parameters, `${prefix}_credentials`);
  const file = written === undefined ? undefined : await locate(written);
  const text = file === undefined ? undefined : await readText(file);
  const notes: string[] = [];
  const missing = `The solver ${plugin.use} is not ready: the file with the credentials of ${authenticator}, ${file}, does not exist.`;
  if (file !== undefined && text === undefined) notes.push(missing);
  const seconds = valueOf(parameters, `${prefix}_propagation_seconds`);
  if (seconds !== undefined) notes.push(waitNote(seconds));
  const project = valueOf(parameters, `${prefix}_project`);
  const options = {
    ...(file === undefined || text === undefined ? {} : credentials(text, file, prefix, plugin)),
    project: project === undefined ? undefined : { value: project },
  };
  return { solvers: [{ use: plugin.use, options }], notes };
}

function credentials(
  text: string,
  file: string,
  prefix: string,
  { keys, file: whole, defaults = {} }: DnsPlugin,
): Readonly<Record<string, FoundOption>> {
  const given = parseIni(text);
  const options: Record<string, FoundOption> = {};
  if (whole !== undefined) options[whole] = { value: file };
  for (const [name, option] of Object.entries(keys)) {
    const key = `${prefix}_${name}`;
    const value = valueOf(given, key);
    const fallback = defaults[option];
    if (value !== undefined) {
      options[option] = {
        value: option === "signQuery" ? value.toLowerCase() : value,
        at: { file, key, script: lineOf(key) },
      };
    } else if (fallback !== undefined) options[option] = { value: fallback };
  }
  return options;
}

/** Prints the value of one key, without surrounding blanks and quotes. */
function lineOf(key: string): string {
  const [blank, quote] = ["[[:space:]]*", "[\"']"];
  const cut = [`s/^[^=]*=${blank}//`, `s/${blank}$//`, `s/^${quote}\\(.*\\)${quote}$/\\1/`, "p"];
  return `/^${blank}${key}${blank}=/{${cut.join(";")};}`;
}

function noEquivalent(authenticator: string): string {
  if (authenticator === "nginx" || authenticator === "apache") {
    return `certbot answered by changing the configuration of ${authenticator}, which acmectl never does: import again with --webroot DIR (the folder that ${authenticator} serves) or --standalone.`;
  }
  const named = authenticator === "" ? "an unknown authenticator" : authenticator;
  return `certbot answered by ${named}, for which acmectl has no equivalent: import again with --solver NAME (\`acmectl solvers list\` shows them).`;
}
