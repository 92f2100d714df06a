/** Which notifications go where: the entries of `notify` in the config. */
import type { OptionDeclarations } from "../declaration.ts";
import { hookOptions } from "./deployment.ts";

/** Of one certificate. */
const notifiedEvents = ["failure", "deploy", "expiry", "recovery"] as const;

const secretUrl = (description: string) =>
  ({ type: "string", secret: true, required: true, description }) as const;
const token = (description: string) => ({ type: "string", secret: true, description }) as const;

const emailOptions = {
  to: { type: "list", required: true, description: "Addresses to write to." },
  from: { type: "string", description: "Sender; acmectl@ this host when absent." },
  server: {
    type: "string",
    description:
      "smtps://HOST:465, or smtp://HOST:587 with STARTTLS; smtp://localhost when absent.",
    default: "smtp://localhost",
  },
  user: { type: "string", description: "User name at the server." },
  password: token("Password at the server."),
  caBundle: { type: "path", description: "CA certificates to trust instead of the usual ones." },
  plain: { type: "boolean", description: "Allow a server without TLS." },
} as const satisfies OptionDeclarations;

const hookUrlOptions = {
  url: secretUrl("Address of the incoming webhook."),
} as const satisfies OptionDeclarations;

const ntfyOptions = {
  url: secretUrl("Address of the topic, e.g. https://ntfy.sh/my-topic."),
  token: token("Access token."),
} as const satisfies OptionDeclarations;

const matrixOptions = {
  server: { type: "url", required: true, description: "Homeserver, e.g. https://matrix.org." },
  room: { type: "string", required: true, description: "Room id, e.g. !abc:example.org." },
  token: { ...token("Access token of a member of the room."), required: true },
} as const satisfies OptionDeclarations;

const pagerdutyOptions = {
  key: { ...token("Integration key of a service (Events API v2)."), required: true },
  url: {
    type: "url",
    description: "Address of the API; the EU has https://events.eu.pagerduty.com/v2/enqueue.",
    default: "https://events.pagerduty.com/v2/enqueue",
  },
} as const satisfies OptionDeclarations;

const webhookOptions = {
  url: secretUrl("Address to send to."),
  method: {
    type: "string",
    choices: ["POST", "PUT"],
    description: "HTTP method.",
    default: "POST",
  },
  headers: { type: "map", secret: true, description: "Headers, e.g. Authorization." },
  body: {
    type: "string",
    description:
      "Template with {{subject}}, {{text}}, {{host}}, {{kind}}; a JSON document when absent.",
  },
} as const satisfies OptionDeclarations;

const pluginOptions = {
  file: { type: "path", required: true, description: "Module whose default export is a notifier." },
  options: { type: "map", secret: true, description: "Options of the notifier." },
} as const satisfies OptionDeclarations;

/** By channel: its options, and the one that a bare text stands for. */
export const channels = {
  email: { options: emailOptions, shorthand: "to" },
  slack: { options: hookUrlOptions, shorthand: "url" },
  teams: { options: hookUrlOptions, shorthand: "url" },
  discord: { options: hookUrlOptions, shorthand: "url" },
  ntfy: { options: ntfyOptions, shorthand: "url" },
  matrix: { options: matrixOptions },
  pagerduty: { options: pagerdutyOptions, shorthand: "key" },
  webhook: { options: webhookOptions, shorthand: "url" },
  plugin: { options: pluginOptions, shorthand: "file" },
} as const satisfies Readonly<
  Record<string, { readonly options: OptionDeclarations; readonly shorthand?: string }>
>;

/** An entry says one channel, or `run`. */
export const notifyOptions = {
  email: { type: "json", description: "Email by SMTP; a text is the address." },
  slack: { type: "json", description: "Incoming webhook of Slack, or of Mattermost." },
  teams: { type: "json", description: "Workflow webhook of Microsoft Teams." },
  discord: { type: "json", description: "Webhook of Discord." },
  ntfy: { type: "json", description: "Topic of ntfy." },
  matrix: { type: "json", description: "Room of Matrix." },
  pagerduty: {
    type: "json",
    description: "Service of PagerDuty; incidents are resolved on recovery.",
  },
  webhook: { type: "json", description: "Any web service." },
  plugin: { type: "json", description: "Notifier of your own." },
  run: {
    type: "json",
    description: "Command: a text or a list; the notification is its standard input, as JSON.",
  },
  shell: hookOptions.shell,
  passEnv: hookOptions.passEnv,
  events: {
    type: "list",
    choices: notifiedEvents,
    description: "Events to report; all when absent.",
  },
  labels: { type: "map", description: "Certificates with all of these labels; all when absent." },
  before: {
    type: "duration",
    description:
      "Time before expiry at which a certificate is reported; a tenth of its lifetime when absent.",
    max: 400 * 86_400_000,
  },
  timeout: { type: "duration", description: "Time limit; 30s when absent." },
} as const satisfies OptionDeclarations;
