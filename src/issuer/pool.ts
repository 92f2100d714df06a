import type { CertificateRequest, IssuerSetting } from "../certificate.ts";
import type { Context } from "../context.ts";
import type { IssueTools } from "../issue/tools.ts";
import { openTools, type ToolsOptions } from "./open.ts";

/** The tools of several issuers, each opened once and only when something needs it. */
export interface ToolsPool {
  open(issuer: IssuerSetting): Promise<IssueTools>;
  close(): Promise<void>;
}

export function openPool(
  requests: readonly CertificateRequest[],
  context: Context,
  options: ToolsOptions,
): ToolsPool {
  const pool = new Map<string, Promise<IssueTools>>();
  return {
    open(issuer) {
      const key = keyOf(issuer);
      const served = requests.filter((request) => keyOf(request.issuer) === key);
      const tools = pool.get(key) ?? openTools(issuer, served, context, options);
      pool.set(key, tools);
      return tools;
    },
    async close() {
      await Promise.allSettled([...pool.values()].map(async (tools) => (await tools).close()));
    },
  };
}

function keyOf({ server, caBundle, eabKid, email }: IssuerSetting): string {
  return JSON.stringify([server, caBundle, eabKid, email]);
}
