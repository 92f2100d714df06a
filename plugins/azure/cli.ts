/** The login of Azure's command line, for people at their own machine. */
import { execFile } from "node:child_process";
import { platform } from "node:os";
import { Problem } from "acmectl/plugin";
import { fieldOf, oneLine, textOf } from "acmectl/plugin/http";
import type { Credentials } from "./identity.ts";

/** Milliseconds; az takes its time. */
const patience = 30_000;

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
  const options = { timeout: patience, signal, shell: platform() === "win32" };
  execFile("az", [...args], options, (error, stdout, stderr) => {
    if (error === null) resolve(stdout);
    else if (signal.aborted) reject(signal.reason);
    else
      reject(
        error.code === "ENOENT"
          ? nothing()
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
    title: "az gives no token",
    detail: `Solver azure: az account get-access-token: ${why}`,
    hint: "Log in with `az login`, or set tenantId, clientId and clientSecret.",
  });
}

function nothing(): Problem {
  return new Problem("config", {
    title: "No Azure credentials",
    detail:
      "Solver azure: neither clientSecret, clientCertificate, federatedTokenFile nor accessToken is set, no metadata service answers, and there is no program az",
    hint: "Set tenantId, clientId and clientSecret (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET) of an app registration. cron, systemd and sudo do not have your shell's variables.",
  });
}
