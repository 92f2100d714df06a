/** For monitors and orchestrators: whether the process works, whether it is ready, and metrics. */
import { createServer, type RequestListener } from "node:http";
import type { Context } from "../context.ts";
import { messageOf } from "../errors.ts";
import { patience } from "../plugin/server.ts";
import { composeConfigured } from "../request/configured.ts";
import { knownCertificates } from "../status/certificates.ts";
import { prometheusText } from "../status/metrics.ts";

export interface Health {
  readonly lastPass?: Date | undefined;
  readonly nextPass?: Date | undefined;
  /** Why the last pass as a whole failed, or cannot be made, e.g. because the state cannot be reached. */
  readonly passProblem?: string | undefined;
  /** Why the config file cannot be used, so that the previous config stays in force. */
  readonly configProblem?: string | undefined;
}

export function healthServer(health: () => Health, context: Context) {
  const metrics = kept(() => metricsText(health(), context));
  const limits = { headersTimeout: patience, requestTimeout: patience, maxHeaderSize: 8_192 };
  return createServer(limits, (request, response) => {
    const answer = (status: number, text: string) => {
      response.writeHead(status, {
        "Content-Type": "text/plain; version=0.0.4; charset=utf-8",
        "Cache-Control": "no-store",
      });
      response.end(request.method === "HEAD" ? undefined : context.redact(text));
    };
    void answerTo(request, health(), metrics).then(
      ([status, text]) => answer(status, text),
      (error: unknown) => answer(503, `${messageOf(error)}\n`),
    );
  });
}

type Answer = readonly [status: number, text: string];

async function answerTo(
  { method, url = "" }: Parameters<RequestListener>[0],
  health: Health,
  metrics: () => Promise<string>,
): Promise<Answer> {
  if (method !== "GET" && method !== "HEAD") return [405, "GET only\n"];
  const [path] = url.split("?", 1);
  if (path === "/healthz") return [200, "ok\n"];
  if (path === "/readyz") return readiness(health);
  if (path === "/metrics") return [200, await metrics()];
  return [404, "/healthz, /readyz and /metrics\n"];
}

function readiness({ passProblem }: Health): Answer {
  return passProblem === undefined ? [200, "ok\n"] : [503, `${passProblem}\n`];
}

/** Requests within two seconds get the same text. */
function kept(make: () => Promise<string>): () => Promise<string> {
  let made: { readonly at: number; readonly text: Promise<string> } | undefined;
  return async () => {
    if (made === undefined || performance.now() - made.at > 2_000)
      made = { at: performance.now(), text: make() };
    const { text } = made;
    return text.catch((error: unknown) => {
      if (made?.text === text) made = undefined;
      throw error;
    });
  };
}

/** What `status --format prometheus` prints, and what is known of the service. */
async function metricsText(health: Health, context: Context): Promise<string> {
  const configured = await composeConfigured(await context.config());
  const known = await knownCertificates([], configured, await context.store(), true);
  const { lastPass, nextPass, passProblem, configProblem } = health;
  const gauges = [
    gauge("last_pass_timestamp_seconds", "When the last pass ended.", secondsOf(lastPass)),
    gauge("next_pass_timestamp_seconds", "When the next pass starts.", secondsOf(nextPass)),
    gauge("pass_failed", "1 if the last pass as a whole failed; otherwise 0.", flag(passProblem)),
    gauge(
      "config_refused",
      "1 if the config file cannot be used; otherwise 0.",
      flag(configProblem),
    ),
  ];
  return prometheusText(known, context.clock.now()) + gauges.join("");
}

function gauge(name: string, help: string, value: number | undefined): string {
  const metric = `acmectl_run_${name}`;
  const head = `# HELP ${metric} ${help}\n# TYPE ${metric} gauge\n`;
  return value === undefined ? head : `${head}${metric} ${value}\n`;
}

const secondsOf = (time: Date | undefined) =>
  time === undefined ? undefined : time.getTime() / 1000;
const flag = (problem: string | undefined) => (problem === undefined ? 0 : 1);
