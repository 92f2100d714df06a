/** What acmectl uses of acme-client 5.4.0, which ships no types for these modules. */
declare module "acme-client/src/http.js" {
  interface LibraryResponse {
    status: number;
    headers: Record<string, string | undefined>;
    data: unknown;
  }
  interface SignOptions {
    kid?: string | null;
    nonce?: string | null;
  }
  export default class HttpClient {
    constructor(directoryUrl: string, accountKey: import("node:crypto").KeyObject);
    maxBadNonceRetries: number;
    /** Everything that the library sends passes here. */
    request(url: string, method: string, options?: { data?: unknown }): Promise<LibraryResponse>;
    getNonce(): Promise<string>;
    getJwk(): object;
    prepareSignedBody(
      algorithm: string,
      url: string,
      payload: object | null,
      options?: SignOptions,
    ): { protected: string; payload: string };
    /** The library's own is synchronous; what it answers is only passed to `request`. */
    createSignedBody(
      url: string,
      payload: object | null,
      options?: SignOptions,
    ): object | Promise<object>;
    signedRequest(
      url: string,
      payload: object | null,
      options?: SignOptions,
    ): Promise<LibraryResponse>;
  }
}

declare module "acme-client/src/logger.js" {
  const logger: { log(message: string): void };
  export default logger;
}
