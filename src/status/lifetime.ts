const day = 86_400_000;

/**
 * When a certificate is due by its lifetime alone: when a third of it is left, or half where it lasts less than ten days.
 * It is reckoned from the certificate's own dates, so every lifetime a CA may choose is served.
 */
export function dueAt(notBefore: Date, notAfter: Date): Date {
  const left = lifetimeOf(notBefore, notAfter) / (isShort(notBefore, notAfter) ? 2 : 3);
  return new Date(Math.floor((notAfter.getTime() - left) / 1000) * 1000);
}

/** True for a certificate that lasts less than ten days. */
export function isShort(notBefore: Date, notAfter: Date): boolean {
  return lifetimeOf(notBefore, notAfter) < 10 * day;
}

function lifetimeOf(notBefore: Date, notAfter: Date): number {
  return notAfter.getTime() - notBefore.getTime();
}
