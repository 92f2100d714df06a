import type { CertificateRequest } from "../certificate.ts";
import type { Choice } from "../issue/proof/challenges.ts";
import { whilePresented } from "../issue/proof/rehearsal.ts";
import { waitUntilVisible } from "../issue/proof/solve.ts";
import type { IssueTools } from "../issue/tools.ts";
import { finding, type Finding } from "./finding.ts";
import { failuresOf } from "./http.ts";

/** tls-alpn-01 from here, while a random response is presented. */
export async function checkTls(
  choices: readonly Choice[],
  request: CertificateRequest,
  tools: IssueTools,
): Promise<readonly Finding[]> {
  if (choices.length === 0) return [];
  return whilePresented(choices, tools, async (_, presented, failures) => {
    const seen = await waitUntilVisible(presented, request, tools);
    const unseen = [...seen.unseen].map(([{ identifier }, { text, hint }]) =>
      finding(
        "unknown",
        identifier.value,
        `It is not known what a CA would see: ${text}.`,
        hint ?? "Open port 443 in the firewall, and test from outside this network.",
      ),
    );
    return [...failuresOf(failures), ...failuresOf(seen.failures), ...unseen];
  });
}
