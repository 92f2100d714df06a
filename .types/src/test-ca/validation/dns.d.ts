import { type Validate } from "./proof.ts";
/** dns-01 (RFC 8555 §8.4): one of the TXT values, its strings joined, is the digest; CNAMEs are followed. */
export declare const validateDns: Validate;
