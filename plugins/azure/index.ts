import { defineSolver } from "acmectl/plugin";

/** dns-01 with Azure DNS. */
export default defineSolver({
  summary:
    "dns-01 with Azure DNS, by an app registration, workload or managed identity, or az's login",
  challengeTypes: ["dns-01"],
  concurrency: 4,
  options: {
    subscriptionId: {
      type: "string",
      env: ["AZURE_SUBSCRIPTION_ID", "AZUREDNS_SUBSCRIPTIONID", "ARM_SUBSCRIPTION_ID"],
      placeholder: "ID",
      description: "The subscription that has the zones; needed when the identity sees several.",
    },
    resourceGroup: {
      type: "string",
      env: ["AZURE_RESOURCE_GROUP"],
      placeholder: "NAME",
      description: "The resource group that has the zones; without it zones of all groups count.",
    },
    zone: {
      type: "string",
      env: ["AZURE_ZONE_NAME"],
      placeholder: "ZONE",
      description: "The zone to write to; without it the longest one that fits the name.",
    },
    privateZone: {
      type: "boolean",
      default: false,
      env: ["AZURE_PRIVATE_ZONE"],
      description: "Use private zones instead of public ones, for a CA that looks from inside.",
    },
    tenantId: {
      type: "string",
      env: ["AZURE_TENANT_ID", "AZUREDNS_TENANTID", "ARM_TENANT_ID"],
      placeholder: "ID",
      description: "The directory (tenant) of the app registration, by its id or domain.",
    },
    clientId: {
      type: "string",
      env: ["AZURE_CLIENT_ID", "AZUREDNS_APPID", "ARM_CLIENT_ID"],
      placeholder: "ID",
      description: "The application (client) id, or that of a user-assigned managed identity.",
    },
    clientSecret: {
      type: "string",
      secret: true,
      env: ["AZURE_CLIENT_SECRET", "AZUREDNS_CLIENTSECRET", "ARM_CLIENT_SECRET"],
      description: "The value (not the id) of a secret of the app registration.",
    },
    clientCertificate: {
      type: "path",
      env: ["AZURE_CLIENT_CERTIFICATE_PATH", "ARM_CLIENT_CERTIFICATE_PATH"],
      placeholder: "FILE",
      description: "A PEM file with a certificate of the app registration and its key.",
    },
    clientCertificatePassword: {
      type: "string",
      secret: true,
      env: ["AZURE_CLIENT_CERTIFICATE_PASSWORD", "ARM_CLIENT_CERTIFICATE_PASSWORD"],
      description: "The password of the key in clientCertificate, if it has one.",
    },
    federatedTokenFile: {
      type: "path",
      env: ["AZURE_FEDERATED_TOKEN_FILE"],
      placeholder: "FILE",
      description: "A file with a token that the app registration trusts, as Kubernetes mounts it.",
    },
    oidcRequestUrl: {
      type: "url",
      env: ["ACTIONS_ID_TOKEN_REQUEST_URL"],
      description: "Where a job of GitHub Actions gets such a token; GitHub sets it.",
    },
    oidcRequestToken: {
      type: "string",
      secret: true,
      env: ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"],
      description: "What the job asks for it with; GitHub sets it too.",
    },
    accessToken: {
      type: "string",
      secret: true,
      env: ["AZUREDNS_BEARERTOKEN"],
      description: "An access token for Azure's management API, used as it is while it lasts.",
    },
    authMethod: {
      type: "string",
      choices: ["env", "wli", "oidc", "msi", "cli"],
      env: ["AZURE_AUTH_METHOD"],
      description:
        "The only way to try: env is a client secret or certificate, wli the federated token file, oidc GitHub, msi a managed identity, cli az's login.",
    },
    managedIdentity: {
      type: "boolean",
      default: false,
      env: ["AZUREDNS_MANAGEDIDENTITY"],
      description: "The same as authMethod msi, as acme.sh spells it.",
    },
    environment: {
      type: "string",
      choices: [
        "public",
        "usgovernment",
        "china",
        "AzurePublicCloud",
        "AzureUSGovernmentCloud",
        "AzureChinaCloud",
      ],
      default: "public",
      env: ["AZURE_ENVIRONMENT"],
      description: "Which of Microsoft's clouds it is, in lego's words or cert-manager's.",
    },
    ttl: {
      type: "integer",
      default: 60,
      min: 1,
      max: 2_147_483_647,
      env: ["AZURE_TTL"],
      description: "Seconds that resolvers may keep a record set that acmectl creates.",
    },
    authorityHost: {
      type: "url",
      env: ["AZURE_AUTHORITY_HOST"],
      description: "Another address to log in at; else that of the environment.",
    },
    armUrl: {
      type: "url",
      description: "Another address of the management API; else that of the environment.",
    },
    identityEndpoint: {
      type: "url",
      env: ["IDENTITY_ENDPOINT"],
      description: "Where App Service and Functions hand out tokens; they set it.",
    },
    identityHeader: {
      type: "string",
      secret: true,
      env: ["IDENTITY_HEADER"],
      description: "What these want to be asked with; they set it too.",
    },
    imdsUrl: {
      type: "url",
      default: "http://169.254.169.254",
      env: ["AZURE_POD_IDENTITY_AUTHORITY_HOST"],
      description: "Another address of a virtual machine's metadata service.",
    },
  },
  async create(options, context) {
    const [{ openCredentials }, { cloudOf, connect }, { zoneFinder }, { solve }] =
      await Promise.all([
        import("./credentials.ts"),
        import("./client.ts"),
        import("./zones.ts"),
        import("./solver.ts"),
      ]);
    const { log } = context;
    const cloud = cloudOf(options);
    const credentials = openCredentials({ ...options, ...cloud }, log);
    const api = connect(credentials, { ...options, ...cloud, log });
    const findZone = zoneFinder(api, {
      ...options,
      log,
      findZone: (name) => context.findZone(name),
    });
    return solve(api, { ttl: options.ttl, identity: () => credentials.identity(), log, findZone });
  },
});
