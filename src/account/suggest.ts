import type { IssuerSetting } from "../certificate.ts";

/** A command line that works when it is pasted: `acmectl account register --reregister --server URL --agree-tos`. */
export function registerCommand(
  { server, caBundle }: Pick<IssuerSetting, "server" | "caBundle">,
  { again = false }: { again?: boolean } = {},
): string {
  const words = [
    "acmectl account register",
    ...(again ? ["--reregister"] : []),
    "--server",
    server,
  ];
  if (caBundle !== undefined) words.push("--ca-bundle", caBundle);
  return [...words, "--agree-tos"].join(" ");
}
