import { randomBytes } from "node:crypto";

/** Anti-replay nonces (RFC 8555 §6.5). */
export interface Nonces {
  issue(): string;
  /** True once for each nonce that was issued here; `badNonceRate` of the good ones are refused all the same. */
  redeem(nonce: string): boolean;
}

const remembered = 20_000;

/** A pool that forgets its oldest nonces, as CAs do. */
export function createNonces(badNonceRate: number): Nonces {
  const fresh = new Set<string>();
  return {
    issue() {
      const nonce = randomBytes(16).toString("base64url");
      fresh.add(nonce);
      if (fresh.size > remembered) {
        for (const oldest of fresh) {
          fresh.delete(oldest);
          break;
        }
      }
      return nonce;
    },
    redeem: (nonce) => fresh.delete(nonce) && Math.random() >= badNonceRate,
  };
}
