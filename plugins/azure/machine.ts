/** Managed identities: of a virtual machine by its metadata service, of App Service and Functions by their endpoint. */
import { Problem } from "acmectl/plugin";
import { Refusal, requestJson } from "acmectl/plugin/http";
import type { Log } from "acmectl/plugin";
import { tokenIn } from "./identity.ts";
import type { Credentials } from "./identity.ts";
import { azure } from "./vendor.ts";

export interface Machine {
  readonly clientId: string | undefined;
  readonly identityEndpoint: string | undefined;
  readonly identityHeader: string | undefined;
  readonly imdsUrl: string;
  readonly resource: string;
  /** Fail when it is not there, rather than be asked first. */
  readonly required: boolean;
}

/** Milliseconds; outside Azure nobody answers. */
const patience = 2_000;

export interface ManagedIdentity extends Credentials {
  /** Does this machine have a metadata service, or an endpoint? */
  isThere(signal: AbortSignal): Promise<boolean>;
}

export function managedIdentity(machine: Machine, log: Log): ManagedIdentity {
  const { clientId, required } = machine;
  const { url, headers, hasEndpoint } = questionOf(machine);
  const isThere = async (signal: AbortSignal) => {
    if (hasEndpoint) return true;
    try {
      await requestJson({ url, headers }, { vendor: azure, signal, retries: 0, timeout: patience });
      return true;
    } catch (error) {
      signal.throwIfAborted();
      return error instanceof Refusal && error.status !== undefined;
    }
  };
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
  const query = new URLSearchParams({
    resource,
    ...(clientId === undefined ? {} : { client_id: clientId }),
  });
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
    detail: `Solver azure: a managed identity is asked for, but no metadata service answers at ${imdsUrl}`,
    hint: "Is this a machine of Azure's? Elsewhere set tenantId, clientId and clientSecret (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET), and leave authMethod out.",
  });
}
