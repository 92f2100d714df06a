import { type Validate } from "./proof.ts";
/** http-01 (RFC 8555 §8.3): the body at the well-known path is the key authorization; redirects are followed. */
export declare const validateHttp: Validate;
