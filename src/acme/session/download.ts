/** Download of a certificate and its alternate chains (RFC 8555 §7.4.2). */
import { Problem } from "../../problem.ts";
import type { AccountSession, DownloadedChain } from "../acme.ts";
import type { Caller } from "./caller.ts";
import { links } from "../transport/headers.ts";
import { malformed } from "../objects/schema.ts";

const mostAlternates = 10;

export function downloadCalls(caller: Caller): Pick<AccountSession, "download"> {
  async function chain(url: string, signal: AbortSignal) {
    const accept = "application/pem-certificate-chain, application/problem+json";
    const answer = await caller.send({ url, what: "certificate", signal, accept });
    if (!answer.text.includes("-----BEGIN CERTIFICATE-----")) {
      const origin = { what: "certificate", url, allows: caller.allows };
      throw malformed(origin, "it is not a certificate chain in PEM form");
    }
    return answer;
  }

  return {
    async download(order, { alternates, signal }) {
      const url = order.certificate;
      if (url === undefined) {
        throw new Problem("protocol", {
          detail: `The order ${order.url} is "${order.status}" and has no certificate.`,
        });
      }
      const answer = await chain(url, signal);
      const chains: DownloadedChain[] = [{ url, pem: answer.text }];
      if (!alternates) return chains;
      const others = new Set(links(answer.headers, "alternate", url).filter(caller.allows));
      others.delete(url);
      const found = await Promise.allSettled(
        [...others].slice(0, mostAlternates).map(async (url) => ({
          url,
          pem: (await chain(url, signal)).text,
        })),
      );
      signal.throwIfAborted();
      // An alternate chain that fails must not cost the certificate.
      return [
        ...chains,
        ...found.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])),
      ];
    },
  };
}
