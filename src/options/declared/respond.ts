import type { OptionDeclarations } from "../declaration.ts";

/** Where a service answers others. */
export const listenFlags = {
  listen: {
    type: "list",
    description: "Place for /healthz, /readyz and /metrics: 127.0.0.1:9402 or unix:/path.",
    placeholder: "PLACE",
  },
  socketMode: {
    type: "string",
    default: "0660",
    description: "Permissions of unix sockets, in octal.",
    placeholder: "MODE",
  },
} as const satisfies OptionDeclarations;

export const respondFlags = {
  http: {
    type: "list",
    default: ["80"],
    description: "Place to answer http-01: a port, ADDRESS:PORT, unix:/path, or none.",
    placeholder: "PLACE",
  },
  tls: {
    type: "list",
    description: "Place to answer tls-alpn-01, usually 443.",
    placeholder: "PLACE",
  },
} as const satisfies OptionDeclarations;
