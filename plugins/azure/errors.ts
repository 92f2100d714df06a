/** Azure's errors in words that say which zone, which name, as whom, and what to do. */
import { explainRefusals } from "acmectl/plugin/http";
import type { Explain, Meaning, Refusal } from "acmectl/plugin/http";

/** Does what it is given, and tells a refusal as a Problem of that identity's. */
export function explainer(identity: () => string): Explain {
  return explainRefusals({ vendor: "Azure", meanings, identity: () => `as ${identity()}` });
}

const saying =
  (...reasons: readonly string[]) =>
  (refusal: Refusal) =>
    refusal.says(...reasons);

const login: readonly Meaning[] = [
  {
    kind: "config",
    when: saying("AADSTS7000215"),
    title: "The client secret is wrong",
    hint: "clientSecret (AZURE_CLIENT_SECRET) has to be the secret's value, which is shown once, and not its id. Make a new one under App registrations, Certificates & secrets.",
  },
  {
    kind: "config",
    when: saying("AADSTS7000222"),
    title: "The client secret has expired",
    hint: "Make a new one under App registrations, Certificates & secrets, and set clientSecret (AZURE_CLIENT_SECRET).",
  },
  {
    kind: "config",
    when: saying("AADSTS700016", "AADSTS90002", "AADSTS900023"),
    title: "The app is not in the tenant",
    hint: "clientId (AZURE_CLIENT_ID) is the application id, no object id, and tenantId (AZURE_TENANT_ID) the directory that has the app registration. For another cloud set environment (AZURE_ENVIRONMENT).",
  },
  {
    kind: "config",
    when: saying("AADSTS700027", "AADSTS700030"),
    title: "The certificate is not the app's",
    hint: "Upload the certificate in clientCertificate (AZURE_CLIENT_CERTIFICATE_PATH) under App registrations, Certificates & secrets; an expired one is refused too.",
  },
  {
    kind: "config",
    when: saying("AADSTS70021", "AADSTS700211", "AADSTS700212", "AADSTS700213"),
    title: "The app does not trust the token",
    hint: "Issuer, subject and audience under App registrations, Certificates & secrets, Federated credentials have to be those of the token, letter by letter; the words above quote them. The audience is api://AzureADTokenExchange.",
  },
  {
    kind: "config",
    when: saying("AADSTS700024"),
    title: "The token is not valid now",
    hint: "It has expired, or this machine's clock is off.",
  },
  {
    kind: "config",
    when: (refusal) =>
      refusal.reasons.some((reason) => /^AADSTS|^invalid_|^unauthorized_/.test(reason)),
    title: "Azure does not let the identity in",
    hint: "The number after AADSTS is explained at https://login.microsoftonline.com/error. For a managed identity: is one assigned to this machine, and clientId, if set, its client id?",
  },
];

const meanings: readonly Meaning[] = [
  {
    kind: "network",
    when: ({ status = 300 }) => status >= 300 && status < 400,
    title: "No proper answer from Azure",
    hint: "Is there a way out to login.microsoftonline.com:443 and management.azure.com:443 (proxy, firewall, captive portal, DNS)? Addresses of your own (armUrl, authorityHost) must speak Azure's APIs and must not redirect.",
  },
  {
    kind: "solver",
    when: ({ throttled }) => throttled,
    title: "Azure is rate limiting",
    hint: "An identity may write 200 times and then ten times a second in a subscription, all of its users together. Run again later.",
  },
  ...login,
  {
    kind: "config",
    when: ({ status }) => status === 401,
    title: "Azure does not take the token",
    hint: "It has expired, or is of another tenant than the subscription's, or for another cloud (environment, AZURE_ENVIRONMENT).",
  },
  {
    kind: "config",
    when: ({ status }) => status === 403,
    title: "Azure denies the access",
    hint: roleHint,
  },
  {
    kind: "config",
    when: saying("SubscriptionNotFound", "InvalidSubscriptionId"),
    title: "No such subscription",
    hint: "subscriptionId (AZURE_SUBSCRIPTION_ID) is wrong, or of another tenant than the identity.",
  },
  {
    kind: "solver",
    when: saying("ScopeLocked"),
    title: "The zone is locked",
    hint: "A lock on the zone, its group or its subscription forbids changes; a CanNotDelete lock forbids taking the record away again. Lift it, or put the lock elsewhere.",
  },
  {
    kind: "solver",
    when: ({ status }) => status === 412 || status === 409,
    title: "Others change the records all the time",
    hint: "Every try met records that had changed since they were read, or a CNAME at the name. Find out what else writes them, and run again.",
  },
  {
    kind: "config",
    when: ({ status }) => status === 404,
    title: "Not found at Azure",
    hint: "The zone (AZURE_ZONE_NAME) is not in this resource group (AZURE_RESOURCE_GROUP) or subscription, or was deleted. Leave both out, and acmectl looks for it.",
  },
  {
    kind: "solver",
    when: () => true,
    title: "Azure failed",
    hint: "If it does not pass, look at https://azure.status.microsoft and the activity log of the zone.",
  },
];

/** Azure's words say who may not do what where; that makes the command that would allow it. */
function roleHint({ message }: Refusal): string {
  const who = /object id '([\w-]+)'/.exec(message)?.[1] ?? "OBJECT-ID";
  const scope = /over scope '([\w./@-]+)'/.exec(message)?.[1] ?? "ID-OF-THE-ZONE";
  const writes = /\/(write|delete)'/.test(message);
  const role = writes ? "DNS Zone Contributor" : "Reader";
  return `Give it the role: \`az role assignment create --assignee ${who} --role "${role}" --scope "${scope}"\`. It needs Reader on the zone, and DNS Zone Contributor on the TXT set _acme-challenge or on the zone. A new assignment takes some minutes to count.`;
}
