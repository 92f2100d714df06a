/** What it is to be somebody at Google. */
import { Problem } from "acmectl/plugin";
import type { AccessToken } from "acmectl/plugin/http";

export interface Credentials {
  /** For people, e.g. `service account acme@example.iam.gserviceaccount.com`. */
  readonly identity: string;
  /** A new token each time. Rejects with a `Refusal` or a Problem. */
  token(scope: string, signal: AbortSignal): Promise<AccessToken>;
  /** The project that they belong to, if they say so. */
  project(signal: AbortSignal): Promise<string | undefined>;
}

/** A Problem about a document with credentials. */
export function unusable(where: string, fault: string): Problem {
  return new Problem("config", {
    title: "The credentials are unusable",
    detail: `Solver google: ${where} ${fault}`,
    hint: "It takes the JSON that Google makes: a service account's key, what `gcloud auth application-default login` wrote, or the configuration of a workload identity pool.",
  });
}
