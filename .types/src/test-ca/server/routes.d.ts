import { type Answer } from "./answer.ts";
import { type SignedHandler } from "../signed/handler.ts";
import type { State } from "../state.ts";
/** The kinds of resource, by which faults and records name requests; `unknown` is any other path. */
export type ResourceKind =
  | "directory"
  | "newNonce"
  | "newAccount"
  | "newOrder"
  | "keyChange"
  | "revokeCert"
  | "renewalInfo"
  | "account"
  | "orders"
  | "order"
  | "finalize"
  | "authz"
  | "challenge"
  | "certificate"
  | "unknown";
/** How a resource is reached: by a plain GET, or by a signed POST, whose key is given as `jwk`, `kid` or either. */
export interface Route {
  readonly kind: ResourceKind;
  readonly path: RegExp;
  readonly get?: (state: State, id: string, method: string) => Answer;
  readonly post?: {
    readonly signedBy: "jwk" | "kid" | "either";
    readonly handle: SignedHandler;
  };
}
/** The route of a path (without query) and what its pattern captured. */
export declare function routeOf(path: string):
  | {
      route: Route;
      ids: readonly string[];
    }
  | undefined;
