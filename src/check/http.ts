/** http-01 from here, at every address of a name, while a random response is presented. */
import { isIP } from "node:net";
import { presetOf } from "../acme/presets.ts";
import { isPrivate } from "../acme/private-addresses.ts";
import type { CertificateRequest } from "../certificate.ts";
import { messageOf } from "../errors.ts";
import type { Choice, PendingChallenge } from "../issue/proof/challenges.ts";
import { whilePresented } from "../issue/proof/rehearsal.ts";
import type { IssueTools } from "../issue/tools.ts";
import { parsePlace } from "../options/place.ts";
import type { Http01Challenge } from "../plugin.ts";
import { fetchAt, type FetchTools, type Sight } from "./fetch.ts";
import { finding, findingOf, type Finding } from "./finding.ts";

export type Ports = FetchTools["ports"];

/** The findings of every name that is to be proven by http-01. */
export async function checkHttp(
  choices: readonly Choice[],
  request: CertificateRequest,
  ports: Ports,
  tools: IssueTools,
): Promise<readonly Finding[]> {
  if (choices.length === 0) return [];
  return whilePresented(choices, tools, async (_, presented, failures) => {
    const seen = presented.map(async ({ challenge: { challenge, identifier } }) =>
      challenge.type === "http-01"
        ? (await lookFor(challenge, request, ports, tools)).map((one) => ({
            ...one,
            name: identifier.value,
          }))
        : [],
    );
    return [...failuresOf(failures), ...(await Promise.all(seen)).flat()];
  });
}

/** What a solver could not present, or what was seen to be wrong. */
export function failuresOf(failures: ReadonlyMap<PendingChallenge, unknown>): readonly Finding[] {
  return [...failures].map(([{ identifier }, error]) =>
    findingOf(error, { name: identifier.value, severity: "error" }),
  );
}

type Look = readonly { readonly address: string; readonly sight: Sight }[];

async function lookFor(
  challenge: Http01Challenge,
  request: CertificateRequest,
  ports: Ports,
  tools: IssueTools,
): Promise<readonly Finding[]> {
  const { value } = challenge.identifier;
  const dns = tools.dns(request.dns ?? {});
  const place = request.selfCheckAt ?? tools.selfCheckAt?.["http-01"];
  const given = place === undefined ? undefined : parsePlace(place);
  const addresses = given ? [given.host] : await addressesOf(value, dns, tools.signal);
  if (typeof addresses === "string") return [noAnswer(value, addresses)];
  if (addresses.length === 0) return [noAddress(value)];
  const url = new URL(`http://${isIP(value) === 6 ? `[${value}]` : value}${challenge.path}`);
  const look = await Promise.all(
    addresses.slice(0, mostAddresses).map(async (address) => {
      const sight = await fetchAt(address, url, {
        addresses: (host) => dns.addresses(host, tools.signal),
        ports: { ...ports, http: given?.port ?? ports.http },
        signal: tools.signal,
      });
      return { address, sight };
    }),
  );
  const isPublic = presetOf(request.issuer.server) !== undefined && given === undefined;
  return [...(isPublic ? hidden(addresses) : []), ...judge(look, challenge)];
}

const mostAddresses = 8;

async function addressesOf(
  name: string,
  dns: ReturnType<IssueTools["dns"]>,
  signal: AbortSignal,
): Promise<readonly string[] | string> {
  if (isIP(name) !== 0) return [name];
  try {
    return await dns.addresses(name, signal);
  } catch (error) {
    signal.throwIfAborted();
    return messageOf(error);
  }
}

function noAnswer(name: string, why: string): Finding {
  return finding(
    "unknown",
    undefined,
    `The addresses of ${name} are not known: ${why}`,
    "Check the network and the zone, or give other resolvers with --dns-resolvers.",
  );
}

function noAddress(name: string): Finding {
  return finding(
    "error",
    undefined,
    `${name} has no A or AAAA record, so the CA cannot connect to it.`,
    `Add an A or AAAA record for ${name} that points to the host that serves the response, or use a dns-01 solver.`,
  );
}

/** What public CAs cannot reach. */
function hidden(addresses: readonly string[]): readonly Finding[] {
  return addresses
    .filter((one) => isPrivate(one))
    .map((address) =>
      finding(
        "error",
        undefined,
        `The address ${address} is private, and a public CA cannot reach it.`,
        "Publish the public address in the DNS that the Internet sees, or use a dns-01 solver.",
      ),
    );
}

export function judge(look: Look, { body, identifier, path }: Http01Challenge): readonly Finding[] {
  const url = `http://${identifier.value}${path.replace(/[^/]*$/, "…")}`;
  const isRight = ({ sight }: Look[number]) =>
    sight.kind === "answer" && sight.status === 200 && sight.body.trimEnd() === body;
  const isSeen = look.some(isRight);
  return look
    .filter((one) => !isRight(one))
    .map(({ address, sight }) => {
      const at = `${url} at ${address}`;
      if (sight.kind === "refused")
        return finding("error", undefined, `${at} answers with ${sight.text}.`, sight.remedy);
      if (sight.kind === "answer") return wrong(at, sight);
      return unreachable(at, address, sight, isSeen);
    });
}

function wrong(at: string, { status, by }: Extract<Sight, { kind: "answer" }>): Finding {
  const what = status === 200 ? "another response" : `status ${status}`;
  return finding(
    "error",
    undefined,
    `${at} answers with ${what}${by === "" ? "" : ` from ${by}`}, not with what the solver has presented.`,
    "Check the webroot or the port, and that A and AAAA records point to this host: another server or folder answers for this name.",
  );
}

/** A router may hide this host from itself, but not one address of it alone. */
function unreachable(
  at: string,
  address: string,
  { text, hasRoute }: Extract<Sight, { kind: "unreachable" }>,
  isSeenElsewhere: boolean,
): Finding {
  const family = isIP(address) === 6 ? "IPv6" : "IPv4";
  if (isSeenElsewhere && hasRoute) {
    return finding(
      "error",
      undefined,
      `${at} cannot be reached (${text}), and the response is served at another address of the name. CAs try IPv6 first.`,
      `Serve the response at ${address} as well, or remove that address from the DNS.`,
    );
  }
  return finding(
    "unknown",
    undefined,
    `${at} cannot be reached from here (${text}), so it is not known what a CA would see over ${family}.`,
    "Open port 80 in the firewall, check the A and AAAA records, and test from outside this network.",
  );
}
