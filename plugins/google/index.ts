import { defineSolver } from "acmectl/plugin";

/** dns-01 with Google Cloud DNS. */
export default defineSolver({
  summary:
    "dns-01 with Google Cloud DNS, by a service account, workload identity or gcloud's login",
  challengeTypes: ["dns-01"],
  concurrency: 4,
  options: {
    credentials: {
      type: "json",
      secret: true,
      env: ["GCE_SERVICE_ACCOUNT"],
      description:
        "The JSON of a service account's key, or of any other credentials that Google's tools take, best as file:/path.",
    },
    credentialsFile: {
      type: "path",
      env: ["GOOGLE_APPLICATION_CREDENTIALS"],
      placeholder: "FILE",
      description:
        "A file with that JSON; without either, what `gcloud auth application-default login` left, then the metadata server.",
    },
    gcloudConfig: {
      type: "path",
      env: ["CLOUDSDK_CONFIG"],
      placeholder: "FOLDER",
      description: "gcloud's own folder, when it is not the usual one.",
    },
    impersonateServiceAccount: {
      type: "string",
      env: ["GCE_IMPERSONATE_SERVICE_ACCOUNT", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT"],
      placeholder: "ADDRESS",
      description:
        "A service account to act as; needs roles/iam.serviceAccountTokenCreator on it for the credentials found.",
    },
    project: {
      type: "string",
      env: ["GCE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"],
      placeholder: "ID",
      description:
        "The project that has the zones; without it the one that the credentials belong to.",
    },
    zone: {
      type: "string",
      env: ["GCE_ZONE_ID"],
      placeholder: "NAME",
      description:
        "The managed zone to write to, by its name or number; without it the longest public one that fits the name.",
    },
    allowPrivateZone: {
      type: "boolean",
      default: false,
      env: ["GCE_ALLOW_PRIVATE_ZONE"],
      description:
        "Take a private zone where there is no public one, for a CA that looks from inside.",
    },
    ttl: {
      type: "integer",
      default: 60,
      min: 0,
      max: 86_400,
      env: ["GCE_TTL"],
      description: "Seconds that resolvers may keep a record set that acmectl creates.",
    },
    apiUrl: {
      type: "url",
      default: "https://dns.googleapis.com",
      description: "Another address of the Cloud DNS API, without /dns/v1.",
    },
    iamUrl: {
      type: "url",
      default: "https://iamcredentials.googleapis.com",
      description: "Another address of the API that impersonation asks.",
    },
    metadataHost: {
      type: "string",
      default: "169.254.169.254",
      env: ["GCE_METADATA_HOST", "GCE_METADATA_IP"],
      placeholder: "HOST",
      description: "Another host of the metadata server, with its port if it has one.",
    },
  },
  async create(options, context) {
    const [{ openCredentials }, { connect }, { zoneFinder }, { solve }] = await Promise.all([
      import("./credentials.ts"),
      import("./client.ts"),
      import("./zones.ts"),
      import("./solver.ts"),
    ]);
    const { log } = context;
    const credentials = await openCredentials(options, log);
    const api = connect(credentials, { ...options, log });
    const findZone = zoneFinder(api, {
      ...options,
      log,
      findZone: (name) => context.findZone(name),
    });
    return solve(api, { ttl: options.ttl, identity: credentials.identity, log, findZone });
  },
});
