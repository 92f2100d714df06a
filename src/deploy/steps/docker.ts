/** Containers, by the HTTP API of Docker's engine, which Podman speaks too. */
import type { DockerSetting } from "../../certificate.ts";
import { isRecord, parseJson } from "../../json.ts";
import { splitWords } from "../../options/words.ts";
import { Problem } from "../../problem.ts";
import { lastWords } from "../../shorten.ts";
import { commandTimeout } from "../command.ts";
import type { DeployTools } from "../tools.ts";
import { type Answer, ask, type Call, engineOf } from "./docker/engine.ts";

/** Rejects with a `deploy` Problem, or with the signal's reason. */
export async function actOnContainers(
  { docker, timeout = commandTimeout }: { docker: DockerSetting; timeout?: number | undefined },
  tools: Pick<DeployTools, "env" | "signal" | "clock">,
): Promise<void> {
  const late = AbortSignal.timeout(timeout);
  const engine = await engineOf(docker, tools.env);
  const call: Call = { engine, signal: AbortSignal.any([late, tools.signal]), clock: tools.clock };
  for (const container of docker.containers) {
    await act(container, docker, call).catch((error: unknown) => {
      tools.signal.throwIfAborted();
      if (!late.aborted) throw error;
      const detail = `The container ${container}: ${engine.where} did not finish within ${timeout / 1000} s.`;
      throw new Problem("deploy", { detail, cause: error });
    });
  }
}

async function act(container: string, setting: DockerSetting, call: Call): Promise<void> {
  const place = `/containers/${encodeURIComponent(container)}`;
  const { signal, exec } = setting;
  if (exec !== undefined) return runIn(container, exec, call);
  const action =
    signal === undefined ? "restart" : `kill?signal=${encodeURIComponent(signalOf(signal))}`;
  await expectSuccess(await ask("POST", `${place}/${action}`, undefined, call), container, call);
}

/** Podman requires the prefix of a name. */
function signalOf(signal: string): string {
  return /^\d+$|^SIG/iu.test(signal) ? signal.toUpperCase() : `SIG${signal.toUpperCase()}`;
}

async function runIn(
  container: string,
  exec: NonNullable<DockerSetting["exec"]>,
  call: Call,
): Promise<void> {
  const argv = typeof exec === "string" ? splitWords(exec) : exec;
  const text = [exec].flat().join(" ");
  if (argv === undefined) {
    const detail = `The command \`${text}\` has an unclosed quote.`;
    throw new Problem("deploy", { detail, retryable: false });
  }
  const place = `/containers/${encodeURIComponent(container)}/exec`;
  const asked = { AttachStdout: true, AttachStderr: true, Cmd: argv };
  const made = await expectSuccess(await ask("POST", place, asked, call), container, call);
  const id = isRecord(made) ? String(made["Id"]) : "";
  const started = await ask("POST", `/exec/${id}/start`, { Detach: false, Tty: false }, call);
  const said = outputIn(started.body);
  if (started.status >= 300) await expectSuccess(started, container, call);
  const code = await exitCodeOf(id, call);
  if (code === 0) return;
  const tail = said === "" ? "It printed nothing." : `It printed last:\n${lastWords(said, 4000)}`;
  throw new Problem("deploy", {
    detail: `The command \`${text}\` in the container ${container} failed with exit code ${code}. ${tail}`,
  });
}

/** The output may end a moment before the command does. */
async function exitCodeOf(id: string, call: Call): Promise<number> {
  for (;;) {
    const { body } = await ask("GET", `/exec/${id}/json`, undefined, call);
    const state = parseJson(body.toString());
    if (!isRecord(state)) return -1;
    if (state["Running"] !== true) return Number(state["ExitCode"] ?? -1);
    await call.clock.sleep(100, call.signal);
  }
}

/** Frames of stdout and stderr: 8 bytes of header, the last four of which are the length. */
function outputIn(body: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; at + 8 <= body.length;) {
    const length = body.readUInt32BE(at + 4);
    parts.push(body.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts)
    .toString()
    .replaceAll(/(?!\n)\p{Cc}/gu, " ")
    .trim();
}

/** The JSON of a success. Throws a Problem with the engine's own message for anything else. */
async function expectSuccess(
  { status, body }: Answer,
  container: string,
  { engine }: Call,
): Promise<unknown> {
  const json = parseJson(body.toString());
  if ((status >= 200 && status < 300) || status === 304) return json;
  const said = isRecord(json) ? String(json["message"]) : body.toString().slice(0, 500);
  const hints: Readonly<Record<number, string>> = {
    404: "Correct the name: `docker ps --all` lists the containers.",
    409: "Start the container; the next run repeats this step.",
  };
  throw new Problem("deploy", {
    detail: `${engine.where} refused for the container ${container}: ${said.replaceAll(/\p{Cc}/gu, " ")} (HTTP ${status}).`,
    hint: hints[status],
  });
}
