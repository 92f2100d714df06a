/** One request for each challenge; those for one record one after the other. */
import {
  Problem,
  type Call,
  type Dns01Challenge,
  type Log,
  type Solver,
  type Zone,
} from "acmectl/plugin";
import { inTurns } from "acmectl/plugin/http";
import { refusal, unreachable } from "./failure.ts";
import { openHttp, type HttpSettings } from "./http.ts";
import { messageOf, type Action, type StyleSettings } from "./styles.ts";

export interface SolverSettings extends StyleSettings, HttpSettings {
  readonly log: Log;
  readonly findZone: (recordName: string) => Promise<Zone>;
}

/** A solver by a web service. The service has to find what to clean up by record and value: there is no receipt. */
export async function webhookSolver(settings: SolverSettings): Promise<Solver<"dns-01", null>> {
  const { credentials, log, findZone } = settings;
  const http = await openHttp(settings);
  const inTurn = inTurns();
  const write = (action: Action, challenge: Dns01Challenge) => {
    const zone = async () => (await findZone(challenge.recordName)).name;
    return messageOf(settings, { action, challenge, zone });
  };
  const call = (action: Action, challenge: Dns01Challenge, { signal }: Call) =>
    inTurn(challenge.recordName, async () => {
      signal.throwIfAborted();
      const message = await write(action, challenge);
      const attempt = {
        action,
        challenge,
        message,
        mask: (text: string) => credentials.mask(text),
      };
      const answer = await http.send(message, signal).catch((error: unknown) => {
        signal.throwIfAborted();
        throw Problem.is(error) ? error : unreachable(error, attempt);
      });
      const problem = refusal(answer, attempt);
      if (problem !== undefined) throw problem;
      log.debug(`the webhook has done ${action} for ${challenge.recordName} (${answer.status})`);
      return null;
    });
  return {
    /** The messages are written, and not sent: a service may take none as a rehearsal. */
    async preflight(targets, { signal }) {
      signal.throwIfAborted();
      warnOfPlainHttp(settings);
      for (const { identifier, wildcard, validationName = "", recordName = "" } of targets) {
        const names = { identifier, wildcard, validationName, recordName };
        const invented = { token: "token", keyAuthorization: "token.thumb", recordValue: "value" };
        const challenge = { type: "dns-01", ...names, ...invented } as const;
        for (const action of ["present", "cleanup"] as const) await write(action, challenge);
      }
    },
    present: (challenge, given) => call("present", challenge, given),
    async cleanup(challenge, _receipt, given) {
      await call("cleanup", challenge, given);
    },
    close: () => http.close(),
  };
}

function warnOfPlainHttp({ url, log }: SolverSettings): void {
  const { protocol, hostname, host } = new URL(url);
  if (protocol !== "http:" || /^(localhost|127\.|\[::1\])/.test(hostname)) return;
  log.warn(`http://${host} is not https: whoever can listen on the way sees the credentials`);
}
