/** What it is to be somebody at Azure. */
import { fieldOf, needText } from "acmectl/plugin/http";
import type { AccessToken } from "acmectl/plugin/http";

export interface Credentials {
  /** For people, e.g. `app 11111111-… by client secret`; with what was found out later. */
  identity(): string;
  /** A new token for the management API each time. Rejects with a `Refusal` or a Problem. */
  token(signal: AbortSignal): Promise<AccessToken>;
}

/** The token in an answer: some say when it ends, others how long it lasts. */
export function tokenIn(answer: unknown): AccessToken {
  const value = needText(answer, "access_token");
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
