import type { Identifier, Settings } from "../state.ts";

/** What a validation looks for. */
export interface Proof {
  readonly identifier: Identifier;
  readonly token: string;
  /** RFC 8555 §8.1. */
  readonly keyAuthorization: string;
}

/** Looks at the identifier once; throws the AcmeProblem that the challenge shall carry. */
export type Validate = (proof: Proof, settings: Settings, signal: AbortSignal) => Promise<void>;

/** Milliseconds that one look may take. */
export const patience = 5000;
