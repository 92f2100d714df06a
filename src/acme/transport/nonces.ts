/** Unused anti-replay nonces of one CA (RFC 8555 §6.5): the newest is taken first, the oldest is dropped first. */
export interface NoncePool {
  /** Anything that is not base64url is ignored, as RFC 8555 §6.5.1 demands. */
  add(nonce: string | undefined): void;
  take(): string | undefined;
}

/** True for what RFC 8555 §6.5.1 allows as a nonce. */
export function isNonce(text: string | undefined): text is string {
  return text !== undefined && text.length <= 1024 && /^[A-Za-z0-9_-]+$/.test(text);
}

/** An empty pool that holds up to `capacity` nonces. */
export function createNoncePool(capacity = 64): NoncePool {
  const held: string[] = [];
  return {
    add(nonce) {
      if (!isNonce(nonce)) return;
      held.push(nonce);
      if (held.length > capacity) held.shift();
    },
    take: () => held.pop(),
  };
}
