/** certbot's authenticators, as solvers of acmectl's. */
import { readText } from "../files.ts";
import type { FoundOption, FoundSolver } from "../found.ts";
import { type IniSection, parseIni, valueOf } from "./ini.ts";

export interface Answering {
  readonly solvers: readonly FoundSolver[];
  readonly notes: readonly string[];
}

/** Who answers the challenges of one renewal. Without an equivalent there is no solver, and a note that says what to do. */
export async function solversOf(parameters: IniSection): Promise<Answering> {
  const authenticator = (valueOf(parameters, "authenticator") ?? "").replace(/^.*:/, "");
  if (authenticator === "standalone") return { solvers: [standalone(parameters)], notes: [] };
  if (authenticator === "webroot") return { solvers: [webroot(parameters)], notes: [] };
  if (authenticator === "manual") return scripts(parameters);
  const plugin = dnsPlugins[authenticator];
  if (plugin !== undefined) return dnsSolver(authenticator, plugin, parameters);
  return { solvers: [], notes: [noEquivalent(authenticator)] };
}

function standalone(parameters: IniSection): FoundSolver {
  const port = valueOf(parameters, "http01_port");
  const address = valueOf(parameters, "http01_address");
  return {
    use: "standalone",
    options: {
      ...(port === undefined || port === "80" ? {} : { port: { value: port } }),
      ...(address === undefined ? {} : { address: { value: [address] } }),
    },
  };
}

function webroot(parameters: IniSection): FoundSolver {
  const map = parameters.sections["webroot_map"];
  const folders = Object.keys(map?.values ?? {}).flatMap((name) => {
    const folder = valueOf(map, name);
    return folder === undefined ? [] : [[name, folder] as const];
  });
  const [first] = parameters.values["webroot_path"] ?? folders.map(([, folder]) => folder);
  const same = folders.every(([, folder]) => folder === first);
  return {
    use: "webroot",
    options: {
      ...(first === undefined ? {} : { directory: { value: first } }),
      ...(same ? {} : { directories: { value: Object.fromEntries(folders) } }),
    },
  };
}

/** Hooks for dns-01 work as they are; those for http-01, or a person, have no equivalent. */
function scripts(parameters: IniSection): Answering {
  const hook = valueOf(parameters, "manual_auth_hook");
  const cleanup = valueOf(parameters, "manual_cleanup_hook");
  const [preferred] = parameters.values["pref_challs"] ?? [];
  if (hook === undefined || preferred !== "dns-01") {
    const how = hook === undefined ? "a person did by hand" : `${hook} does for http-01`;
    return {
      solvers: [],
      notes: [
        `What ${how} (authenticator manual) has no equivalent: import again with --webroot DIR, --standalone or --solver NAME.`,
      ],
    };
  }
  return {
    solvers: [
      {
        use: "exec",
        options: {
          style: { value: "certbot" },
          shell: { value: true },
          command: { value: [hook] },
          // certbot cleans nothing up where it has no hook for that.
          cleanupCommand: { value: [cleanup ?? "true"] },
        },
      },
    ],
    notes: [],
  };
}

interface DnsPlugin {
  readonly use: string;
  /** Keys of the credentials file, without the plugin's prefix, and our options; none where the file itself is the secret. */
  readonly keys: Readonly<Record<string, string>>;
  /** The option that names the credentials file as a whole. */
  readonly file?: string;
  /** What certbot assumes where the file says nothing. */
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
): Promise<Answering> {
  const prefix = authenticator.replaceAll("-", "_");
  const file = valueOf(parameters, `${prefix}_credentials`);
  const text = file === undefined ? undefined : await readText(file);
  const notes: string[] = [];
  if (file !== undefined && text === undefined) {
    notes.push(`${file}, where certbot read the credentials of ${authenticator}, is not there.`);
  }
  const seconds = valueOf(parameters, `${prefix}_propagation_seconds`);
  if (seconds !== undefined) {
    notes.push(
      `The wait of ${seconds} seconds was not taken over: acmectl looks at the name servers instead of waiting.`,
    );
  }
  const project = valueOf(parameters, `${prefix}_project`);
  const options = {
    ...(file === undefined || text === undefined ? {} : credentials(text, file, prefix, plugin)),
    ...(project === undefined ? {} : { project: { value: project } }),
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

/** Prints the value of one key: what stands behind `=`, without blanks around it and without quotes. */
function lineOf(key: string): string {
  const [blank, quote] = ["[[:space:]]*", "[\"']"];
  const cut = [`s/^[^=]*=${blank}//`, `s/${blank}$//`, `s/^${quote}\\(.*\\)${quote}$/\\1/`, "p"];
  return `/^${blank}${key}${blank}=/{${cut.join(";")};}`;
}

function noEquivalent(authenticator: string): string {
  if (authenticator === "nginx" || authenticator === "apache") {
    return `certbot answered by changing the configuration of ${authenticator}, which acmectl never does: import again with --webroot DIR (the folder that ${authenticator} serves) or --standalone.`;
  }
  const named = authenticator === "" ? "an authenticator that is not written down" : authenticator;
  return `certbot answered by ${named}, for which acmectl has no equivalent: import again with --solver NAME (\`acmectl solvers list\` shows them).`;
}
