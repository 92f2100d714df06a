import type { SignedRequest } from "./handler.ts";
import type { Route } from "../server/routes.ts";
import type { State } from "../state.ts";
/** A POST as it arrived. */
export interface Post {
  readonly url: string;
  readonly contentType: string | undefined;
  readonly body: string;
  readonly ids: readonly string[];
}
/** Checks what RFC 8555 §6.2 to §6.5 ask of every POST: media type, JWS, key, signature, url and nonce. */
export declare function authenticate(
  state: State,
  post: Post,
  signedBy: NonNullable<Route["post"]>["signedBy"],
): SignedRequest;
