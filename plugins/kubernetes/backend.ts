/** How the cluster reaches acmectl: a pod by its labels, a machine outside by its addresses. */
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { Problem } from "acmectl/plugin";

export interface BackendOptions {
  readonly selector: Readonly<Record<string, string>> | undefined;
  readonly labelsFile: string;
  readonly endpoints: readonly string[] | undefined;
}

export type Backend =
  | { readonly selector: Readonly<Record<string, string>> }
  | { readonly endpoints: readonly string[] };

/** Loopback, link-local and unspecified addresses, which an EndpointSlice cannot have. */
const special = /^(127\.|169\.254\.|0\.0\.0\.0$|::1?$|fe[89ab])/i;

/** Rejects with a `config` Problem. */
export async function backendOf(
  { selector, labelsFile, endpoints }: BackendOptions,
  solver: string,
): Promise<Backend> {
  const wrong = endpoints?.find((one) => isIP(one) === 0 || special.test(one));
  if (wrong !== undefined)
    throw new Problem("config", {
      detail: `${solver}: ${wrong} is not an address at which a cluster can reach this machine.`,
      hint: "Give an IP address of this machine as `endpoints`, not a name, 127.0.0.1 or 0.0.0.0.",
    });
  if (endpoints !== undefined && endpoints.length > 0) return { endpoints };
  if (selector !== undefined && Object.keys(selector).length > 0) return { selector };
  const text = await readFile(labelsFile, "utf8").catch(() => "");
  const labels = [...text.matchAll(/^([^=\s]+)="([^"]*)"$/gm)].map(([, key, value]) => [
    key,
    value,
  ]);
  if (labels.length > 0) return { selector: Object.fromEntries(labels) };
  throw new Problem("config", {
    detail: `${solver}: the cluster cannot reach acmectl: ${labelsFile} has no labels, and neither \`selector\` nor \`endpoints\` is set.`,
    hint: "In a pod, mount its labels by the downward API or set `selector`; elsewhere set `endpoints` to an IP address of this machine.",
  });
}
