const day = 86_400_000;

/**
 * When a certificate is due by its lifetime alone: when a third of it is left, or half where it lasts less than ten days.
 * It is reckoned from the certificate's own dates, so every lifetime a CA may choose is served.
 */
export function dueAt(notBefore: Date, notAfter: Date): Date {
  const lifetime = notAfter.getTime() - notBefore.getTime();
  const left = lifetime < 10 * day ? lifetime / 2 : lifetime / 3;
  return new Date(notAfter.getTime() - left);
}
