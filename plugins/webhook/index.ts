/** dns-01 by a web service that speaks lego's httpreq, cert-manager's webhook protocol, or what a template says. */
import { defineSolver } from "acmectl/plugin";
import { checkedCredentials } from "./credentials.ts";
import { webhookSolver } from "./solver.ts";
import { styles } from "./styles.ts";

export default defineSolver({
  summary: "dns-01 by a web service: lego's httpreq, cert-manager's webhooks, or your own",
  challengeTypes: ["dns-01"],
  concurrency: 4,
  options: {
    url: {
      type: "url",
      required: true,
      env: ["HTTPREQ_ENDPOINT"],
      description:
        "The service: httpreq appends /present and /cleanup; cert-manager's ends in /apis/GROUP/v1alpha1/SOLVER.",
    },
    style: {
      type: "string",
      choices: styles,
      default: "httpreq",
      description: "What the service expects to be sent.",
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
      choices: ["POST", "PUT", "PATCH", "DELETE", "GET"],
      default: "POST",
      description: "The HTTP method, in style template.",
    },
    body: {
      type: "string",
      description:
        'What is sent, in style template, e.g. {"name":"{fqdn}","text":"{value}"}; nothing when absent.',
    },
    cleanupUrl: {
      type: "url",
      description: "Another URL for cleaning up, in style template.",
    },
    cleanupMethod: {
      type: "string",
      choices: ["POST", "PUT", "PATCH", "DELETE", "GET"],
      description: "Another method for cleaning up, in style template.",
    },
    cleanupBody: {
      type: "string",
      description: "What is sent for cleaning up, in style template; as body when absent.",
    },
    headers: {
      type: "map",
      placeholder: "NAME=VALUE",
      description: "Further header fields.",
    },
    secretHeaders: {
      type: "map",
      secret: true,
      description: "Further header fields whose values are secret, such as an API key.",
    },
    username: {
      type: "string",
      env: ["HTTPREQ_USERNAME"],
      description: "The user for basic authentication; needs password.",
    },
    password: {
      type: "string",
      secret: true,
      env: ["HTTPREQ_PASSWORD"],
      description: "The password for basic authentication.",
    },
    token: {
      type: "string",
      secret: true,
      description: "A bearer token, sent as Authorization: Bearer.",
    },
    clientCertificate: {
      type: "path",
      placeholder: "FILE",
      description: "A certificate in PEM to show to the service (mTLS); needs clientKey.",
    },
    clientKey: {
      type: "path",
      placeholder: "FILE",
      description: "The private key of clientCertificate, in PEM.",
    },
    hmacSecret: {
      type: "string",
      secret: true,
      description: "Signs each body with HMAC-SHA256, sent as sha256=HEX in the field hmacHeader.",
    },
    hmacHeader: {
      type: "string",
      default: "X-Hub-Signature-256",
      description: "The header field of the signature.",
    },
    caBundle: {
      type: "path",
      placeholder: "FILE",
      description: "Roots in PEM to trust beside the usual ones.",
    },
    config: {
      type: "json",
      description: "What a cert-manager webhook gets as its config.",
    },
    namespace: {
      type: "string",
      default: "default",
      description:
        "What a cert-manager webhook gets as resourceNamespace, where it looks for its secrets.",
    },
    ambientCredentials: {
      type: "boolean",
      default: false,
      description: "What a cert-manager webhook gets as allowAmbientCredentials.",
    },
    timeout: {
      type: "duration",
      default: 30_000,
      min: 100,
      description: "How long to wait for one answer.",
    },
    timeoutSeconds: {
      type: "integer",
      min: 1,
      max: 3600,
      env: ["HTTPREQ_HTTP_TIMEOUT"],
      hidden: true,
      description: "Lego's way to say timeout, in seconds.",
    },
    retries: {
      type: "integer",
      default: 4,
      min: 0,
      max: 20,
      description:
        "How often a request is repeated that could not be delivered, or was answered by 429 or 5xx.",
    },
  },
  async create(options, context) {
    const { timeoutSeconds, mode, style } = options;
    return webhookSolver({
      ...options,
      timeout: timeoutSeconds === undefined ? options.timeout : timeoutSeconds * 1000,
      style: mode === "RAW" ? "httpreq-raw" : style,
      credentials: await checkedCredentials(options),
      log: context.log,
      findZone: (name) => context.findZone(name),
    });
  },
});
