/** What can be read from anything that was thrown. */
/** The code of a Node.js error: an `errno` name such as `ENOENT`, or Node's own such as `ERR_TLS_CERT_ALTNAME_INVALID`; "" for any other. */
export declare function codeOf(error: unknown): string;
/** The message of an error; anything else as text. */
export declare function messageOf(error: unknown): string;
/** What a failed system call says in words, for the middle of a sentence; the error's own message for an unknown code. */
export declare function systemReason(error: unknown): string;
