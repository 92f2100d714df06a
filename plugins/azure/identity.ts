/** What it is to be somebody at Azure. */
import { fieldOf, Refusal, textOf } from "./answer.ts";

/** An access token and when it ends, in milliseconds since 1970. */
export interface Token {
  readonly value: string;
  readonly expires: number;
}

export interface Credentials {
  /** For people, e.g. `app 11111111-… by client secret`; with what was found out later. */
  identity(): string;
  /** A new token for the management API each time. Rejects with a `Refusal` or a Problem. */
  token(signal: AbortSignal): Promise<Token>;
}

/** The token in an answer: some say when it ends, others how long it lasts. */
export function tokenIn(answer: unknown): Token {
  const value = textOf(answer, "access_token");
  if (value === undefined) throw new Refusal({ words: "an answer without access_token" });
  const [until, lasts] = [number(answer, "expires_on"), number(answer, "expires_in")];
  return {
    value,
    expires: until === undefined ? Date.now() + (lasts ?? 300) * 1_000 : until * 1_000,
  };
}

function number(answer: unknown, name: string): number | undefined {
  const value = Number(fieldOf(answer, name) ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}
