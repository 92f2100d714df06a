import { type Validate } from "./proof.ts";
/** tls-alpn-01 (RFC 8737 §3, RFC 8738 §6): a self-signed certificate for the one name, with the digest in acmeIdentifier. */
export declare const validateTlsAlpn: Validate;
