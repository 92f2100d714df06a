/** A certificate profile that the directory advertises; `validity` in milliseconds. */
export interface Profile {
  description: string;
  validity: number;
}

export interface RenewalInfo {
  start: Date;
  end: Date;
  explanationUrl?: string;
  /** Seconds. */
  retryAfter?: number;
}

/** How the CA listens, validates and issues; everything has a default. */
export interface TestCaOptions {
  /** Address to listen on; default 127.0.0.1. With 0.0.0.0 or :: the URLs name this machine's host name. */
  readonly host?: string | undefined;
  /** Default 0: one that is free. */
  readonly port?: number | undefined;
  /** Where the roots and the issuing key are stored (0600 in 0700); absent: in memory. */
  readonly folder?: string | undefined;
  /** Port of http-01; default 80. */
  readonly httpPort?: number | undefined;
  /** Port of tls-alpn-01; default 443. */
  readonly tlsPort?: number | undefined;
  /**
   * "127.0.0.1:5353": the DNS server asked for TXT (dns-01), A and AAAA. Absent: every host is on loopback, and dns-01 asks
   * the system's resolvers.
   */
  readonly resolver?: string | undefined;
  /** External accounts: key identifier to HMAC key (base64url). */
  readonly eab?: Readonly<Record<string, string>> | undefined;
  /** Default: whether `eab` is given. */
  readonly requireEab?: boolean | undefined;
  /** Name to description and validity in milliseconds, the default one first. */
  readonly profiles?: Readonly<Record<string, Profile>> | undefined;
  /** URL; when given, accounts must agree. */
  readonly termsOfService?: string | undefined;
  /** True: orders may say `notBefore` and `notAfter`. */
  readonly dates?: boolean | undefined;
  /** Share of good nonces to reject, 0 to 1; default 0. */
  readonly badNonceRate?: number | undefined;
  /** Milliseconds that a valid authorization is reused; default 30 days, 0 for never. */
  readonly authorizationReuse?: number | undefined;
  /**
   * Validate and issue in the background, with `processing` states and Retry-After meanwhile: `delay` in milliseconds
   * (default 50), `retryAfter` in seconds (default 1). Default: done within the request.
   */
  readonly asynchronous?:
    | boolean
    | { readonly delay?: number; readonly retryAfter?: number }
    | undefined;
  readonly now?: (() => Date) | undefined;
  /** Gets a line for each request, refusal and validation. */
  readonly log?: ((line: string) => void) | undefined;
}

export type Settings = ReturnType<typeof withDefaults>;

const day = 24 * 3_600_000;

export function withDefaults(options: TestCaOptions) {
  const { eab } = options;
  return {
    host: options.host ?? "127.0.0.1",
    httpPort: options.httpPort ?? 80,
    tlsPort: options.tlsPort ?? 443,
    resolver: options.resolver,
    eab: eab ?? {},
    requireEab: options.requireEab ?? eab !== undefined,
    profiles: options.profiles ?? usualProfiles,
    termsOfService: options.termsOfService,
    dates: options.dates ?? false,
    badNonceRate: options.badNonceRate ?? 0,
    authorizationReuse: options.authorizationReuse ?? 30 * day,
    asynchronous: background(options.asynchronous),
    now: options.now ?? (() => new Date()),
    log: options.log ?? (() => undefined),
  };
}

function background(given: TestCaOptions["asynchronous"]) {
  const { delay = 50, retryAfter = 1 } = typeof given === "object" ? given : {};
  return given ? { delay, retryAfter } : undefined;
}

const usualProfiles: Readonly<Record<string, Profile>> = {
  classic: { description: "90 days, as most CAs issue", validity: 90 * day },
  tlsserver: { description: "45 days", validity: 45 * day },
  shortlived: { description: "160 hours", validity: 160 * 3_600_000 },
};
