import { randomBytes } from "node:crypto";
import type { AccountSession } from "../../acme/acme.ts";
import type { CertificateRequest } from "../../certificate.ts";
import { createLimit } from "../../limit.ts";
import type { Http01Challenge, Target } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import type { IssueTools } from "../tools.ts";
import type { Choice } from "./challenges.ts";
import { checkEverywhere } from "./self-check.ts";

/**
 * Where web servers answer any token themselves: ask each name, at every address, for a random one before an order is made. A
 * wrong answer is a Problem.
 */
export async function checkAnyToken(
  choices: readonly Choice[],
  request: CertificateRequest,
  { thumbprint }: Pick<AccountSession, "thumbprint">,
  tools: IssueTools,
): Promise<void> {
  if (request.selfCheck === false) return;
  const byName = [...Map.groupBy(choices, ({ identifier }) => identifier.value).values()];
  // Where another solver is left, it takes over after the order: the response itself is checked then.
  const stateless = byName.flatMap(([best, next]) =>
    best?.solver.plugin.stateless === undefined || next !== undefined ? [] : [best],
  );
  const limit = createLimit(8);
  await Promise.all(
    stateless.map(({ target }) => limit(() => checkOne(target, request, thumbprint, tools))),
  );
}

async function checkOne(
  { identifier, wildcard }: Target,
  request: CertificateRequest,
  thumbprint: string,
  tools: IssueTools,
): Promise<void> {
  const log = tools.record.log("preflight", identifier.value);
  const token = randomBytes(32).toString("base64url");
  const keyAuthorization = `${token}.${thumbprint}`;
  const path = `/.well-known/acme-challenge/${token}`;
  const challenge: Http01Challenge = {
    type: "http-01",
    identifier,
    wildcard,
    token,
    keyAuthorization,
    path,
    body: keyAuthorization,
  };
  try {
    const unseen = await checkEverywhere(challenge, request, tools, (address, text) =>
      log.debug(`${identifier.value} at ${address} answers a random token with ${text}`),
    );
    if (unseen !== undefined) log.warn(unseen.text);
  } catch (error) {
    if (!Problem.is(error)) throw error;
    throw error.with({
      hint: `Put what \`acmectl solvers show stateless --server ${request.issuer.server}\` prints into the config of the web server, on every host. The thumbprint is ${thumbprint}. --no-self-check skips this check.`,
    });
  }
}
