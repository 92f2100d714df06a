/** Credentials of this machine: a managed identity, or the login of Azure's command line. */
import { execFile } from "node:child_process";
import { platform } from "node:os";
import { Problem } from "acmectl/plugin";
import type { Log, OptionsOf } from "acmectl/plugin";
import { fieldOf, hasAnswer, oneLine, requestJson, textOf, tokenIn } from "acmectl/plugin/http";
import { azure } from "./errors.ts";
import type { options } from "./options.ts";
import type { Credentials } from "./tokens.ts";

type Machine = Pick<
  OptionsOf<typeof options>,
  "clientId" | "identityEndpoint" | "identityHeader" | "imdsUrl"
> & {
  readonly resource: string;
  /** Fail if it does not exist. */
  readonly required: boolean;
};

interface ManagedIdentity extends Credentials {
  /** Does this machine have a metadata service, or an endpoint? */
  isThere(signal: AbortSignal): Promise<boolean>;
}

/** Of a virtual machine by its metadata service, of App Service and Functions by their endpoint. */
export function managedIdentity(machine: Machine, log: Log): ManagedIdentity {
  const { clientId, required } = machine;
  const { url, headers, hasEndpoint } = questionOf(machine);
  const isThere = async (signal: AbortSignal) =>
    hasEndpoint || hasAnswer({ url, headers }, { vendor: azure, signal });
  return {
    identity: () => `the managed identity ${clientId ?? "of this machine"}`,
    isThere,
    async token(signal) {
      if (required && !(await isThere(signal))) throw absent(machine.imdsUrl);
      return tokenIn(await requestJson({ url, headers }, { vendor: azure, log, signal }));
    },
  };
}

function questionOf(machine: Machine) {
  const { clientId, identityEndpoint, identityHeader, resource } = machine;
  const query = new URLSearchParams({ resource });
  if (clientId !== undefined) query.set("client_id", clientId);
  if (identityEndpoint !== undefined && identityHeader !== undefined) {
    query.set("api-version", "2019-08-01");
    const headers = { "x-identity-header": identityHeader };
    return { url: `${identityEndpoint}?${query.toString()}`, headers, hasEndpoint: true };
  }
  query.set("api-version", "2018-02-01");
  const base = `${machine.imdsUrl.replace(/\/+$/, "")}/metadata/identity/oauth2/token`;
  return { url: `${base}?${query.toString()}`, headers: { metadata: "true" }, hasEndpoint: false };
}

function absent(imdsUrl: string): Problem {
  return new Problem("config", {
    title: "No managed identity",
    detail: `Solver azure: a managed identity was requested, but no metadata service answers at ${imdsUrl}`,
    hint: "Outside Azure set tenantId, clientId and clientSecret (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET), and leave authMethod out.",
  });
}

/** Milliseconds; az is slow. */
const azPatience = 30_000;

/** For people at their own machine. */
export function azLogin(resource: string): Credentials {
  return {
    identity: () => "az's login",
    async token(signal) {
      const answer = await az(
        ["account", "get-access-token", "--output", "json", "--resource", resource],
        signal,
      );
      const value = textOf(answer, "accessToken");
      if (value === undefined) throw unusable("its answer has no accessToken");
      const until = fieldOf(answer, "expires_on");
      return { value, expires: typeof until === "number" ? until * 1_000 : Date.now() + 300_000 };
    },
  };
}

async function az(args: readonly string[], signal: AbortSignal): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // On Windows az is a batch file, which only a shell runs; all arguments are ours.
  const options = { timeout: azPatience, signal, shell: platform() === "win32" };
  execFile("az", [...args], options, (error, stdout, stderr) => {
    if (error === null) resolve(stdout);
    else if (signal.aborted) reject(signal.reason);
    else
      reject(
        error.code === "ENOENT"
          ? noCredentials()
          : unusable(oneLine(stderr) || `it failed (${String(error.code)})`),
      );
  });
  try {
    return JSON.parse(await promise);
  } catch (error) {
    throw error instanceof SyntaxError ? unusable("its answer is not JSON") : error;
  }
}

function unusable(why: string): Problem {
  return new Problem("config", {
    title: "az returned no token",
    detail: `Solver azure: az account get-access-token: ${why}`,
    hint: "Log in with `az login`, or set tenantId, clientId and clientSecret.",
  });
}

function noCredentials(): Problem {
  return new Problem("config", {
    title: "No Azure credentials",
    detail:
      "Solver azure: none of clientSecret, clientCertificate, federatedTokenFile and accessToken is set, no metadata service answers, and the program az is not installed",
    hint: "Set tenantId, clientId and clientSecret (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET) of an app registration. cron, systemd and sudo do not have your shell's variables.",
  });
}
