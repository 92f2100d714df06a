/** How Google refuses, and what to do about it. */
import { explainRefusals, fieldOf, listOf, textOf } from "acmectl/plugin/http";
import type { Explain, Meaning, Vendor } from "acmectl/plugin/http";

/** The APIs have an object under `error`, OAuth has a word. */
export const google: Vendor = {
  name: "Google",
  throttled: ["rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"],
  saidIn(body) {
    const error = fieldOf(body, "error");
    if (typeof error === "string")
      return { words: textOf(body, "error_description") ?? error, reasons: [error] };
    const entries = [...listOf(error, "errors"), ...listOf(error, "details")];
    const reasons = entries.map((entry) => textOf(entry, "reason"));
    return { words: textOf(error, "message"), reasons };
  },
};

/** Explains failures of an identity. */
export function explainer(identity: string): Explain {
  return explainRefusals({
    vendor: google.name,
    meanings,
    identity: () => `as ${identity}`,
    hints: {
      connection:
        "Check the connection to *.googleapis.com:443 (proxy, firewall, captive portal, DNS). Servers set by apiUrl, iamUrl or token_uri must offer Google's APIs and must not redirect.",
      limit:
        "Run again later, or raise the quota in the console under IAM & Admin, Quotas. All users of the project share its quota of requests to Cloud DNS.",
      other:
        "If it does not pass, see https://status.cloud.google.com and the project's audit log.",
    },
  });
}

const meanings: readonly Meaning[] = [
  {
    when: ["invalid_grant"],
    title: "Google rejects the credentials",
    hint: "Create a new key, run `gcloud auth application-default login` again, or correct this machine's clock. The key or login may have been revoked, or the service account deleted.",
  },
  {
    when: (refusal) =>
      refusal.status === 401 || refusal.says("invalid_client", "unauthorized_client"),
    title: "Google rejects the credentials",
    hint: "Create a new key (gcloud iam service-accounts keys create) and set credentialsFile (GOOGLE_APPLICATION_CREDENTIALS). This one was revoked, or its service account was deleted or disabled.",
  },
  {
    when: ["SERVICE_DISABLED", "accessNotConfigured"],
    title: "The API is switched off",
    hint: "Enable it in the project with `gcloud services enable dns.googleapis.com` (for impersonation also iamcredentials.googleapis.com), and wait some minutes.",
  },
  {
    when: ["ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions"],
    title: "The scope of the access token is too narrow",
    hint: "Add https://www.googleapis.com/auth/ndev.clouddns.readwrite to the machine's access scopes, or use other credentials.",
  },
  {
    kind: "solver",
    when: ["quotaExceeded", "limitExceeded"],
    title: "A quota of Cloud DNS is used up",
    hint: "Remove record sets that are not needed, old _acme-challenge ones first, or raise the quota in the console under IAM & Admin, Quotas.",
  },
  {
    when: 403,
    title: "Google denies access",
    hint: "Grant roles/dns.admin on the zone, or a role with dns.changes.create, dns.changes.get, dns.resourceRecordSets.list, .create, .update and .delete, and in the project dns.managedZones.list (not needed with zone, GCE_ZONE_ID). To impersonate, grant roles/iam.serviceAccountTokenCreator on the account.",
  },
  {
    kind: "solver",
    when: ["cnameResourceRecordSetConflict"],
    title: "Another record is in the way",
    hint: "Let acmectl follow the CNAME at this name, or remove it.",
  },
  {
    kind: "solver",
    when: ["conditionNotMet", "alreadyExists"],
    title: "Another program keeps changing the records",
    hint: "Find out what else writes these records, and run again: at each attempt they had changed since they were read.",
  },
  {
    when: 404,
    title: "Not found at Google",
    hint: "Check the project (GCE_PROJECT) and the zone (GCE_ZONE_ID) with `gcloud dns managed-zones list --project ID`.",
  },
];
