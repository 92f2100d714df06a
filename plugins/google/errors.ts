/** Google's errors in words that say which zone, which name, as whom, and what to do. */
import { explainRefusals } from "acmectl/plugin/http";
import type { Explain, Meaning } from "acmectl/plugin/http";

/** Does what it is given, and tells a refusal as a Problem of that identity's. */
export function explainer(identity: string): Explain {
  return explainRefusals({ vendor: "Google", meanings, identity: () => `as ${identity}` });
}

const meanings: readonly Meaning[] = [
  {
    kind: "network",
    when: ({ status = 300 }) => status >= 300 && status < 400,
    title: "No proper answer from Google",
    hint: "Is there a way out to *.googleapis.com:443 (proxy, firewall, captive portal, DNS)? Addresses of your own (apiUrl, iamUrl, token_uri) must speak Google's APIs and must not redirect.",
  },
  {
    kind: "config",
    when: (refusal) => refusal.says("invalid_grant"),
    title: "Google does not take the credentials",
    hint: "The key or the login was revoked, its service account deleted, or this machine's clock is off. Make a new key, or run `gcloud auth application-default login` again.",
  },
  {
    kind: "config",
    when: (refusal) =>
      refusal.status === 401 || refusal.says("invalid_client", "unauthorized_client"),
    title: "Google does not take the credentials",
    hint: "They were revoked, or the service account was deleted or disabled. Make a new key (gcloud iam service-accounts keys create) and set credentialsFile (GOOGLE_APPLICATION_CREDENTIALS).",
  },
  {
    kind: "config",
    when: (refusal) => refusal.says("SERVICE_DISABLED", "accessNotConfigured"),
    title: "The API is switched off",
    hint: "Enable it in the project: `gcloud services enable dns.googleapis.com`, for impersonation iamcredentials.googleapis.com too. It takes some minutes to count.",
  },
  {
    kind: "solver",
    when: ({ throttled }) => throttled,
    title: "Google is rate limiting",
    hint: "All users of the project share its quota of requests to Cloud DNS. Run again later, or raise the quota in the console under IAM & Admin, Quotas.",
  },
  {
    kind: "config",
    when: (refusal) => refusal.says("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions"),
    title: "The access token has too narrow a scope",
    hint: "The machine was made without the scope https://www.googleapis.com/auth/ndev.clouddns.readwrite: change its access scopes, or use other credentials.",
  },
  {
    kind: "solver",
    when: (refusal) => refusal.says("quotaExceeded", "limitExceeded"),
    title: "A quota of Cloud DNS is used up",
    hint: "Remove record sets that nobody needs, old _acme-challenge ones first, or raise the quota in the console under IAM & Admin, Quotas.",
  },
  {
    kind: "config",
    when: ({ status }) => status === 403,
    title: "Google denies the access",
    hint: "Give it roles/dns.admin on the zone, or a role with dns.changes.create, dns.changes.get, dns.resourceRecordSets.list, .create, .update and .delete, and in the project dns.managedZones.list (not needed with zone, GCE_ZONE_ID). To impersonate, it needs roles/iam.serviceAccountTokenCreator on the account.",
  },
  {
    kind: "solver",
    when: (refusal) => refusal.says("cnameResourceRecordSetConflict"),
    title: "Another record stands in the way",
    hint: "There is a CNAME at this name. Let acmectl follow it, or remove it.",
  },
  {
    kind: "solver",
    when: (refusal) => refusal.says("conditionNotMet", "alreadyExists"),
    title: "Others change the records all the time",
    hint: "Every try met records that had changed since they were read. Find out what else writes them, and run again.",
  },
  {
    kind: "config",
    when: ({ status }) => status === 404,
    title: "Not found at Google",
    hint: "The project (GCE_PROJECT) or the zone (GCE_ZONE_ID) is not there, or was deleted. `gcloud dns managed-zones list --project ID` shows what is.",
  },
  {
    kind: "solver",
    when: () => true,
    title: "Google failed",
    hint: "If it does not pass, look at https://status.cloud.google.com and the project's audit log.",
  },
];
