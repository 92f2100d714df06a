import { beginningOf } from "../body.ts";
import { codeOf, messageOf } from "../errors.ts";
import { Problem } from "../problem.ts";
import { fetchByProxy } from "../proxy.ts";

export interface Post {
  /** Of the service, for messages. Its address may be a secret and is not shown. */
  readonly name: string;
  readonly url: string;
  readonly method?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly json?: object | undefined;
  /** In place of `json`. */
  readonly body?: string | undefined;
  readonly type?: string | undefined;
}

/** One request, never repeated: the next run does that. Rejects with a Problem. */
export async function post(request: Post, signal: AbortSignal): Promise<void> {
  const { name, url, method = "POST", headers, json, body, type = "application/json" } = request;
  if (!/^https?:$/u.test(URL.parse(url)?.protocol ?? "")) {
    const detail = `The address for ${name} is not an http or https address.`;
    throw new Problem("config", { detail });
  }
  const response = await fetchByProxy(url, {
    method,
    headers: { "content-type": type, "user-agent": "acmectl", ...headers },
    body: body ?? JSON.stringify(json),
    redirect: "manual",
    signal,
  }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw unreachable(name, url, error);
  });
  await assertAccepted(name, response);
}

/** Resolves for a success. */
async function assertAccepted(name: string, response: Response): Promise<void> {
  const { status } = response;
  const said = await beginningOf(response.body, 500).then(
    ({ bytes }) => bytes.toString(),
    () => "",
  );
  if (response.ok) return;
  const words = said.replaceAll(/\s+/gu, " ").trim();
  const isBusy = status >= 500 || status === 429;
  throw new Problem(isBusy ? "network" : "config", {
    title: "Notification refused",
    detail: `${name} answered with HTTP ${status}${words === "" ? "." : `: ${words}`}`,
    hint: isBusy ? undefined : "Correct its address or its token.",
  });
}

function unreachable(name: string, url: string, error: unknown): Problem {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const code = codeOf(cause);
  const detail = `${name} cannot be reached at ${URL.parse(url)?.host}: ${code === "" ? messageOf(cause) : `${messageOf(cause)} (${code})`}`;
  return new Problem("network", { detail, cause: error });
}
