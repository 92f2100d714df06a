/** How Azure refuses, and what to do about it. */
import { explainRefusals, fieldOf, listOf, textOf } from "acmectl/plugin/http";
import type { Explain, Meaning, Refusal, Vendor } from "acmectl/plugin/http";

/** The management API has an object under `error`, or its members alone; the login has a word and numbers. */
export const azure: Vendor = {
  name: "Azure",
  throttled: ["TooManyRequests"],
  saidIn(body) {
    const error = fieldOf(body, "error") ?? body;
    if (typeof error !== "string")
      return { words: textOf(error, "message"), reasons: [textOf(error, "code")] };
    const numbers = listOf(body, "error_codes").map((code) => `AADSTS${String(code)}`);
    return { words: textOf(body, "error_description") ?? error, reasons: [error, ...numbers] };
  },
};

/** Explains failures of an identity. */
export function explainer(identity: () => string): Explain {
  return explainRefusals({
    vendor: azure.name,
    meanings: [...login, ...meanings],
    identity: () => `as ${identity()}`,
    hints: {
      connection:
        "Check the connection to login.microsoftonline.com:443 and management.azure.com:443 (proxy, firewall, captive portal, DNS). Servers set by armUrl or authorityHost must offer Azure's APIs and must not redirect.",
      limit:
        "Run again later. An identity may write 200 times and then ten times a second in a subscription, shared by everything that uses it.",
      other:
        "If it does not pass, see https://azure.status.microsoft and the activity log of the zone.",
    },
  });
}

const login: readonly Meaning[] = [
  {
    when: ["AADSTS7000215"],
    title: "The client secret is wrong",
    hint: "Set clientSecret (AZURE_CLIENT_SECRET) to the secret's value, which is shown once, and not its id. Create a new one under App registrations, Certificates & secrets.",
  },
  {
    when: ["AADSTS7000222"],
    title: "The client secret has expired",
    hint: "Create a new one under App registrations, Certificates & secrets, and set clientSecret (AZURE_CLIENT_SECRET).",
  },
  {
    when: ["AADSTS700016", "AADSTS90002", "AADSTS900023"],
    title: "The app is not in the tenant",
    hint: "Set clientId (AZURE_CLIENT_ID) to the application id, not the object id, and tenantId (AZURE_TENANT_ID) to the directory that has the app registration. For another cloud set environment (AZURE_ENVIRONMENT).",
  },
  {
    when: ["AADSTS700027", "AADSTS700030"],
    title: "The certificate is not registered for the app",
    hint: "Upload the certificate of clientCertificate (AZURE_CLIENT_CERTIFICATE_PATH) under App registrations, Certificates & secrets. Azure rejects an expired one, too.",
  },
  {
    when: ["AADSTS70021", "AADSTS700211", "AADSTS700212", "AADSTS700213"],
    title: "The app does not trust the token",
    hint: "Compare issuer, subject and audience under App registrations, Certificates & secrets, Federated credentials with those of the token, which the message quotes, letter by letter. The audience is api://AzureADTokenExchange.",
  },
  {
    when: ["AADSTS700024"],
    title: "The token is not valid now",
    hint: "Check this machine's clock, and get a new token: this one has expired or is not valid yet.",
  },
  {
    when: (refusal) =>
      refusal.reasons.some((reason) => /^AADSTS|^invalid_|^unauthorized_/.test(reason)),
    title: "Azure rejects the login",
    hint: "Look up the number after AADSTS at https://login.microsoftonline.com/error. For a managed identity check that one is assigned to this machine, and that clientId, if set, is its client id.",
  },
];

const meanings: readonly Meaning[] = [
  {
    when: 401,
    title: "Azure rejects the token",
    hint: "Check the tenant of the subscription and the cloud (environment, AZURE_ENVIRONMENT). The token may also have expired.",
  },
  {
    when: 403,
    title: "Azure denies access",
    hint: roleHint,
  },
  {
    when: ["SubscriptionNotFound", "InvalidSubscriptionId"],
    title: "No such subscription",
    hint: "Correct subscriptionId (AZURE_SUBSCRIPTION_ID): it is wrong, or belongs to another tenant than the identity.",
  },
  {
    kind: "solver",
    when: ["ScopeLocked"],
    title: "The zone is locked",
    hint: "Lift the lock on the zone, its group or its subscription, or move it. A CanNotDelete lock, too, prevents acmectl from removing its record.",
  },
  {
    kind: "solver",
    when: ({ status }) => status === 412 || status === 409,
    title: "Another program keeps changing the records",
    hint: "Find out what else writes these records, and run again: at each attempt they had changed since they were read. A CNAME at the name has the same effect.",
  },
  {
    when: 404,
    title: "Not found at Azure",
    hint: "Check the zone (AZURE_ZONE_NAME), the resource group (AZURE_RESOURCE_GROUP) and the subscription. Leave both out, and acmectl looks for the zone.",
  },
];

/** Makes the command that grants the role of what Azure's message says: who may not do what where. */
function roleHint({ message }: Refusal): string {
  const who = /object id '([\w-]+)'/.exec(message)?.[1] ?? "OBJECT-ID";
  const scope = /over scope '([\w./@-]+)'/.exec(message)?.[1] ?? "ID-OF-THE-ZONE";
  const writes = /\/(write|delete)'/.test(message);
  const role = writes ? "DNS Zone Contributor" : "Reader";
  return `Grant the role: \`az role assignment create --assignee ${who} --role "${role}" --scope "${scope}"\`. acmectl requires Reader on the zone, and DNS Zone Contributor on the record set (the TXT set _acme-challenge) or on the zone. A new assignment takes some minutes.`;
}
