import type { BrokenCertificate } from "../state/store.ts";
import type { Certificates, KnownCertificate } from "./certificates.ts";
import { conditionsOf, hasFailed } from "./conditions.ts";
import { dueOf } from "./due.ts";
import { hostsOf } from "./hosts.ts";
import { nextQuestion } from "./renewal-information.ts";
import { waitingOf } from "./windows.ts";

/** Prometheus' text format, version 0.0.4, for the node exporter's textfile collector. */
export function prometheusText({ certificates, broken }: Certificates, now: Date): string {
  const series = metrics.map(({ name, help, samples }) => {
    const lines = certificates.flatMap((certificate) =>
      samples(certificate, now).map(([value, labels = {}]) =>
        sample(`${prefix}_${name}`, { name: certificate.name, ...labels }, value),
      ),
    );
    const unreadable = name === "condition" ? broken.map(brokenSample) : [];
    return [...head(`${prefix}_${name}`, help), ...lines, ...unreadable];
  });
  const count = "acmectl_certificates";
  return `${[
    ...head(count, "Number of certificates, issued or in the config."),
    `${count} ${certificates.length + broken.length}`,
    ...head(dueByAri, "Number of certificates that the CA wants renewed now (ARI)."),
    `${dueByAri} ${certificates.filter((one) => isDueByAri(one, now)).length}`,
    ...series.flat(),
  ].join("\n")}\n`;
}

const dueByAri = "acmectl_certificates_due_by_ari";

function isDueByAri(certificate: KnownCertificate, now: Date): boolean {
  const { at, rule } = dueOf(certificate, now);
  return rule === "ari" && at <= now;
}

/** If its record cannot be read, the certificate is not ready. */
function brokenSample({ name }: BrokenCertificate): string {
  return sample(`${prefix}_condition`, { name, condition: "Ready" }, 0);
}

const prefix = "acmectl_certificate";

type Sample = readonly [value: number, labels?: Readonly<Record<string, string>>];

interface Metric {
  /** Behind the prefix. */
  readonly name: string;
  readonly help: string;
  readonly samples: (certificate: KnownCertificate, now: Date) => readonly Sample[];
}

const metrics: readonly Metric[] = [
  {
    name: "info",
    help: "The certificate; always 1.",
    samples: ({ held }) =>
      held === undefined
        ? []
        : [
            [
              1,
              {
                serial: held.meta.serial,
                issuer: held.meta.issuer,
                directory: held.meta.directory,
                key_type: held.meta.keyType,
              },
            ],
          ],
  },
  {
    name: "temporary",
    help: "1 if it is a temporary self-signed certificate; otherwise 0.",
    samples: ({ held }) => (held === undefined ? [] : [[held.meta.temporary === true ? 1 : 0]]),
  },
  {
    name: "not_before_timestamp_seconds",
    help: "Start of the certificate's validity.",
    samples: ({ held }) => time(held?.meta.notBefore),
  },
  {
    name: "not_after_timestamp_seconds",
    help: "When the certificate expires.",
    samples: ({ held }) => time(held?.meta.notAfter),
  },
  {
    name: "due_timestamp_seconds",
    help: "When the certificate is due for renewal.",
    samples: (certificate, now) =>
      certificate.held === undefined ? [] : time(dueOf(certificate, now).at.toISOString()),
  },
  {
    name: "last_success_timestamp_seconds",
    help: "When a certificate was last issued.",
    samples: ({ status }) => time(status.lastSuccess),
  },
  {
    name: "last_attempt_timestamp_seconds",
    help: "When the last attempt to issue a certificate started.",
    samples: ({ status }) => time(status.lastAttempt?.startedAt),
  },
  {
    name: "failures",
    help: "Failed attempts since the last success.",
    samples: ({ status }) => [[status.failures]],
  },
  {
    name: "retry_timestamp_seconds",
    help: "No attempt is made before this time.",
    samples: ({ status }) =>
      status.failures === 0 || status.retryReason === "permanent" ? [] : time(status.retryAt),
  },
  {
    name: "last_attempt_failed",
    help: "1 if the last attempt failed, for whatever reason; otherwise 0.",
    samples: (certificate) => [[hasFailed(certificate) ? 1 : 0]],
  },
  {
    name: "ari_check_timestamp_seconds",
    help: "When the next run asks the CA for its renewal window again.",
    samples(certificate, now) {
      const isExpired = new Date(certificate.held?.meta.notAfter ?? 0) <= now;
      const next = nextQuestion(certificate)?.getTime() ?? 0;
      return isExpired || next === 0 ? [] : [[next / 1000]];
    },
  },
  {
    name: "deploy_window_timestamp_seconds",
    help: "When the window opens that deploy steps wait for.",
    samples: (certificate, now) => time(waitingOf(certificate, now)?.until?.toISOString()),
  },
  {
    name: "host_version",
    help: "The version that the host serves; 0 if none.",
    samples: (certificate) =>
      hostsOf(certificate).map(({ host, serves }) => [serves?.version ?? 0, { host }]),
  },
  {
    name: "host_since_timestamp_seconds",
    help: "Since when the host serves its version.",
    samples: (certificate) =>
      hostsOf(certificate).flatMap(({ host, serves }) =>
        time(serves?.since).map(([value]) => [value, { host }] as const),
      ),
  },
  {
    name: "host_behind",
    help: "1 if the host does not serve the version held; otherwise 0.",
    samples: (certificate) =>
      hostsOf(certificate).map(({ host, behind }) => [behind ? 1 : 0, { host }]),
  },
  {
    name: "condition",
    help: "Whether the condition is true.",
    samples: (certificate, now) =>
      conditionsOf(certificate, now).map(({ type, status }) => [
        status ? 1 : 0,
        { condition: type },
      ]),
  },
];

function time(text: string | undefined): readonly Sample[] {
  const milliseconds = text === undefined ? Number.NaN : new Date(text).getTime();
  return Number.isNaN(milliseconds) ? [] : [[milliseconds / 1000]];
}

function head(name: string, help: string): readonly string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`];
}

function sample(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  const written = Object.entries(labels).map(([label, text]) => `${label}="${escape(text)}"`);
  return `${name}{${written.join(",")}} ${value}`;
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
