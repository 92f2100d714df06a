/** dns-01 through a web service: lego's httpreq, a cert-manager webhook, or requests from a template. */
import { defineSolver, Problem } from "acmectl/plugin";
import type { Call, Dns01Challenge, Log, Solver, Zone } from "acmectl/plugin";
import { inTurns } from "acmectl/plugin/http";
import { mayHaveArrived, openHttp, type HttpSettings } from "./client.ts";
import { checkedCredentials } from "./credentials.ts";
import { refusal, unreachable } from "./errors.ts";
import { options } from "./options.ts";
import { requestFor, type Action } from "./styles.ts";

export default defineSolver({
  summary: "calls a web service for dns-01: lego's httpreq, cert-manager webhooks, or your own",
  challengeTypes: ["dns-01"],
  concurrency: 4,
  options,
  async create(options, context) {
    const { timeoutSeconds, mode, style } = options;
    return webhookSolver({
      ...options,
      timeout: timeoutSeconds === undefined ? options.timeout : timeoutSeconds * 1000,
      style: mode === "RAW" ? "httpreq-raw" : style,
      credentials: await checkedCredentials(options),
      env: process.env,
      log: context.log,
      findZone: (name) => context.findZone(name),
    });
  },
});

interface SolverSettings extends HttpSettings {
  readonly findZone: (recordName: string) => Promise<Zone>;
}

/** There is no receipt: the service finds what to clean up by record name and value. */
async function webhookSolver(settings: SolverSettings): Promise<Solver<"dns-01", null>> {
  const { credentials, log, findZone } = settings;
  const http = await openHttp(settings);
  const inTurn = inTurns();
  const compose = (action: Action, challenge: Dns01Challenge) => {
    const zone = async () => (await findZone(challenge.recordName)).name;
    return requestFor(settings, { action, challenge, zone });
  };
  const send = (action: Action, challenge: Dns01Challenge, { signal }: Call) =>
    inTurn(challenge.recordName, async () => {
      signal.throwIfAborted();
      const request = await compose(action, challenge);
      const attempt = { action, challenge, request, mask: credentials.mask };
      const answer = await http.send(request, signal).catch((error: unknown) => {
        signal.throwIfAborted();
        if (action === "cleanup" || !mayHaveArrived(error))
          throw Problem.is(error) ? error : unreachable(error, attempt);
        warnOfLostAnswer(challenge, log);
      });
      if (answer === undefined) return null;
      const problem = refusal(answer, attempt);
      if (problem !== undefined) throw problem;
      log.debug(`the webhook answered ${answer.status} to ${action} for ${challenge.recordName}`);
      return null;
    });
  return {
    /** Composes the requests without sending them, since a service has no dry run. */
    async preflight(targets, { signal }) {
      signal.throwIfAborted();
      warnOfPlainHttp(settings);
      for (const { identifier, wildcard, validationName = "", recordName = "" } of targets) {
        const names = { identifier, wildcard, validationName, recordName };
        const values = { token: "token", keyAuthorization: "token.thumb", recordValue: "value" };
        const challenge = { type: "dns-01", ...names, ...values } as const;
        for (const action of ["present", "cleanup"] as const) await compose(action, challenge);
      }
    },
    present: (challenge, given) => send("present", challenge, given),
    async cleanup(challenge, _receipt, given) {
      await send("cleanup", challenge, given);
    },
    close: () => http.close(),
  };
}

function warnOfLostAnswer({ recordName, identifier }: Dns01Challenge, log: Log): void {
  log.warn(
    `the webhook did not answer the request for ${recordName}; the DNS will show whether it wrote the record`,
    { step: "present", identifier: identifier.value },
  );
}

function warnOfPlainHttp({ url, log }: SolverSettings): void {
  const { protocol, hostname, host } = new URL(url);
  if (protocol !== "http:" || /^(localhost|127\.|\[::1\])/.test(hostname)) return;
  log.warn(`http://${host} is not encrypted: others on the network can read the credentials`);
}
