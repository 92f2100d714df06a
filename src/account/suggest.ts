import type { IssuerSetting } from "../certificate.ts";
import { Problem } from "../problem.ts";

/** A command line that works when it is pasted: `acmectl account register --reregister --server URL --agree-tos`. */
export function registerCommand(
  { server, caBundle }: Pick<IssuerSetting, "server" | "caBundle">,
  { again = false }: { again?: boolean } = {},
): string {
  const command = `acmectl account register${again ? " --reregister" : ""}`;
  return `${command} ${serverFlags({ server, caBundle })} --agree-tos`;
}

/** What a CA's error suggests, with the flags that the suggested command needs for this CA. */
export function withServer(error: unknown, issuer: IssuerSetting): unknown {
  if (!Problem.is(error) || error.hint === undefined) return error;
  const flags = serverFlags(issuer);
  const hint = error.hint
    .replaceAll(/acmectl account register(?: --reregister)?(?! -)/g, `$& ${flags} --agree-tos`)
    .replaceAll(/acmectl account (?:show|deactivate)(?! -)/g, `$& ${flags}`);
  return hint === error.hint ? error : error.with({ hint });
}

export function serverFlags({
  server,
  caBundle,
}: Pick<IssuerSetting, "server" | "caBundle">): string {
  return `--server ${server}${caBundle === undefined ? "" : ` --ca-bundle ${caBundle}`}`;
}
