/** The metadata server: who this machine is to Google. */
import { Problem } from "acmectl/plugin";
import { once, Refusal, requestJson } from "acmectl/plugin/http";
import type { Log } from "acmectl/plugin";
import type { Credentials } from "./identity.ts";
import { tokenIn } from "./token.ts";
import { google } from "./vendor.ts";

interface Machine {
  readonly host: string;
  /** The file that was looked for before. */
  readonly tried: string;
}

/** Milliseconds; outside Google's cloud nobody answers. */
const patience = 2_000;

/** The service account of a virtual machine, of Cloud Run, or of a pod under GKE's workload identity. */
export function machineAccount({ host, tried }: Machine, log: Log): Credentials {
  const base = `http://${host}/computeMetadata/v1`;
  const headers = { "metadata-flavor": "Google" };
  const mustBeThere = once(async (signal) => {
    try {
      const settings = { vendor: google, signal, retries: 0, timeout: patience };
      await requestJson({ url: `${base}/?alt=json`, headers }, settings);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Refusal && error.status !== undefined) return;
      throw nothing(host, tried);
    }
  });
  const read = async (path: string, signal: AbortSignal) => {
    await mustBeThere(signal);
    return requestJson({ url: `${base}/${path}`, headers }, { vendor: google, log, signal });
  };
  return {
    identity: "this machine's service account (metadata server)",
    async token(scope, signal) {
      const path = `instance/service-accounts/default/token?scopes=${encodeURIComponent(scope)}`;
      return tokenIn(await read(path, signal));
    },
    async project(signal) {
      const id = await read("project/project-id?alt=json", signal);
      return typeof id === "string" && id !== "" ? id : undefined;
    },
  };
}

function nothing(host: string, tried: string): Problem {
  return new Problem("config", {
    title: "No Google credentials",
    detail: `Solver google: neither credentials nor credentialsFile is set, there is no ${tried}, and no metadata server answers at ${host}`,
    hint: "Set credentials (file:/path to a service account's key), GOOGLE_APPLICATION_CREDENTIALS or GCE_SERVICE_ACCOUNT_FILE, or run `gcloud auth application-default login`. cron, systemd and sudo have neither your shell's variables nor your home folder.",
  });
}
