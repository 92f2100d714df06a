import type { OptionDeclarations, OptionsOf } from "acmectl/plugin";

const styles = ["httpreq", "httpreq-raw", "cert-manager", "template"] as const;
const methods = ["POST", "PUT", "PATCH", "DELETE", "GET"] as const;

export const options = {
  url: {
    type: "url",
    required: true,
    env: ["HTTPREQ_ENDPOINT"],
    description: "URL of the service; httpreq appends /present and /cleanup.",
  },
  style: {
    type: "string",
    choices: styles,
    default: "httpreq",
    description: "Request format that the service expects.",
  },
  mode: {
    type: "string",
    choices: ["RAW"],
    env: ["HTTPREQ_MODE"],
    hidden: true,
    description: "Lego's name for the style httpreq-raw.",
  },
  method: {
    type: "string",
    choices: methods,
    default: "POST",
    description: "HTTP method (style template).",
  },
  body: {
    type: "string",
    description: 'Request body (style template), such as {"name":"{fqdn}","text":"{value}"}.',
  },
  cleanupUrl: {
    type: "url",
    description: "Separate URL for cleanup (style template).",
  },
  cleanupMethod: {
    type: "string",
    choices: methods,
    description: "Separate method for cleanup (style template).",
  },
  cleanupBody: {
    type: "string",
    description: "Request body for cleanup (style template). Default: body.",
  },
  headers: {
    type: "map",
    placeholder: "NAME=VALUE",
    description: "Additional header fields.",
  },
  secretHeaders: {
    type: "map",
    secret: true,
    description: "Additional header fields with secret values, such as an API key.",
  },
  username: {
    type: "string",
    env: ["HTTPREQ_USERNAME"],
    description: "User name for basic authentication; requires password.",
  },
  password: {
    type: "string",
    secret: true,
    env: ["HTTPREQ_PASSWORD"],
    description: "Password for basic authentication.",
  },
  token: {
    type: "string",
    secret: true,
    description: "Bearer token, sent as Authorization: Bearer.",
  },
  clientCertificate: {
    type: "path",
    placeholder: "FILE",
    description: "Client certificate in PEM (mTLS); requires clientKey.",
  },
  clientKey: {
    type: "path",
    placeholder: "FILE",
    description: "Private key of clientCertificate, in PEM.",
  },
  hmacSecret: {
    type: "string",
    secret: true,
    description: "Key to sign each body with HMAC-SHA256, sent as sha256=HEX in hmacHeader.",
  },
  hmacHeader: {
    type: "string",
    default: "X-Hub-Signature-256",
    description: "Header field for the signature.",
  },
  caBundle: {
    type: "path",
    placeholder: "FILE",
    description: "Additional root certificates in PEM to trust.",
  },
  config: {
    type: "json",
    description: "JSON passed to a cert-manager webhook as config.",
  },
  namespace: {
    type: "string",
    default: "default",
    description:
      "Namespace in which a cert-manager webhook looks for its secrets (resourceNamespace).",
  },
  ambientCredentials: {
    type: "boolean",
    default: false,
    description: "Value of allowAmbientCredentials for a cert-manager webhook.",
  },
  timeout: {
    type: "duration",
    default: 30_000,
    min: 100,
    description: "Time limit for one response.",
  },
  timeoutSeconds: {
    type: "integer",
    min: 1,
    max: 3600,
    env: ["HTTPREQ_HTTP_TIMEOUT"],
    hidden: true,
    description: "Lego's name for timeout, in seconds.",
  },
  retries: {
    type: "integer",
    default: 4,
    min: 0,
    max: 20,
    description: "Number of retries after a failed connection, 429 or 5xx.",
  },
} as const satisfies OptionDeclarations;

/** `style` and `timeout` with lego's names for them taken into account. */
export type WebhookOptions = OptionsOf<typeof options>;
