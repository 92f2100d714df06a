import { randomBytes } from "node:crypto";
import type { Dns, ServerAnswer } from "../dns/dns.ts";
import { finding, type Finding } from "./finding.ts";

/** Whether the name servers of a dns-01 record answer, each asked for a value that no record has. */
export async function checkDelegation(
  record: string,
  name: string,
  dns: Pick<Dns, "lookForTxt">,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { answers } = await dns.lookForTxt(record, randomBytes(16).toString("hex"), signal);
  const asked = answers.filter(({ state }) => state !== "unreachable");
  const good = asked.filter(({ state }) => state === "missing" || state === "shows");
  const silent = asked.filter(({ state }) => state === "silent");
  const broken = asked.filter(({ state }) => state === "fails");
  if (good.length === 0 && broken.length === 0) {
    const detail = `No name server for ${record} responds (${listOf(asked)}); it is not known whether the CA reaches them.`;
    const remedy =
      "If UDP port 53 is closed here, query the resolvers with --no-dns-authoritative; else fix the name servers or the delegation.";
    return [finding("unknown", name, detail, remedy)];
  }
  const severity = good.length === 0 ? "error" : "warning";
  return [
    ...(broken.length === 0
      ? []
      : [
          finding(
            severity,
            name,
            `Name servers for ${record} do not serve its zone: ${listOf(broken)}.`,
            "Correct the NS records of the zone and its delegation, or make these servers serve the zone.",
          ),
        ]),
    ...(silent.length === 0
      ? []
      : [
          finding(
            severity,
            name,
            `Name servers for ${record} do not respond: ${listOf(silent)}.`,
            "Fix these name servers, or remove them from the delegation: the CA may ask any of them.",
          ),
        ]),
  ];
}

function listOf(answers: readonly ServerAnswer[]): string {
  return answers.map(({ server, outcome }) => `${server}: ${outcome}`).join("; ");
}
