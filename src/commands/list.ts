import { describeHeld, timeFrom } from "../renew/describe.ts";
import { defineCommand } from "./command.ts";
import { openFolderStore } from "../store/folder.ts";
import type { StoredCertificate } from "../store/store.ts";

export const command = defineCommand({
  name: "list",
  summary: "Show the certificates: what is held, until when, from whom",
  options: {},
  async run(_, context) {
    const store = openFolderStore(context.stateFolder, context);
    const names = await store.certificates.names();
    const found = await Promise.all(names.map((name) => store.certificates.read(name)));
    const certificates = found.filter((certificate) => certificate !== undefined);
    const now = context.clock.now();
    return {
      exitCode: 0,
      document: {
        outcome: "listed",
        certificates: certificates.map((one) => documentOf(one, now)),
      },
      view:
        certificates.length === 0
          ? [
              {
                kind: "line",
                text: `No certificates are kept in ${context.stateFolder}.`,
                tone: "dim",
              },
            ]
          : [
              {
                kind: "table",
                columns: ["NAME", "NAMES", "EXPIRES", "ISSUER", "STATE"],
                rows: certificates.map((one) => rowOf(one, now)),
              },
            ],
    };
  },
});

function documentOf(certificate: StoredCertificate, now: Date): Record<string, unknown> {
  const { name, request, held } = certificate;
  if (held !== undefined)
    return describeHeld(request, held, stateOf(certificate, now), now).document;
  return {
    name,
    outcome: stateOf(certificate, now),
    identifiers: request.identifiers,
    directory: request.issuer.server,
  };
}

function rowOf(certificate: StoredCertificate, now: Date): readonly string[] {
  const { name, request, held } = certificate;
  const [first = "", ...others] = request.identifiers.map(({ value }) => value);
  return [
    name,
    others.length === 0 ? first : `${first} +${others.length}`,
    held === undefined ? "-" : timeFrom(now, new Date(held.meta.notAfter)),
    held?.meta.issuer ?? "-",
    stateOf(certificate, now),
  ];
}

/** In one word: what an operator wants to know first. */
function stateOf({ held, status }: StoredCertificate, now: Date): string {
  if (held === undefined) return status.failures > 0 ? "failed" : "missing";
  if (new Date(held.meta.notAfter) <= now) return "expired";
  return status.failures > 0 ? "valid, last attempt failed" : "valid";
}
