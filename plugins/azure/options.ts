import type { OptionDeclarations } from "acmectl/plugin";

/** What can be set, with the variables that Azure's tools, lego, cert-manager and acme.sh read. */
export const options = {
  subscriptionId: {
    type: "string",
    env: ["AZURE_SUBSCRIPTION_ID", "AZUREDNS_SUBSCRIPTIONID", "ARM_SUBSCRIPTION_ID"],
    placeholder: "ID",
    description: "Subscription that has the zones; required if the identity sees several.",
  },
  resourceGroup: {
    type: "string",
    env: ["AZURE_RESOURCE_GROUP"],
    placeholder: "NAME",
    description: "Resource group that has the zones; by default all groups.",
  },
  zone: {
    type: "string",
    env: ["AZURE_ZONE_NAME"],
    placeholder: "ZONE",
    description: "Zone to write to; by default the longest one that holds the name.",
  },
  privateZone: {
    type: "boolean",
    default: false,
    env: ["AZURE_PRIVATE_ZONE"],
    description: "Use private zones instead of public ones, for a CA inside the network.",
  },
  tenantId: {
    type: "string",
    env: ["AZURE_TENANT_ID", "AZUREDNS_TENANTID", "ARM_TENANT_ID"],
    placeholder: "ID",
    description: "Directory (tenant) of the app registration, by id or domain.",
  },
  clientId: {
    type: "string",
    env: ["AZURE_CLIENT_ID", "AZUREDNS_APPID", "ARM_CLIENT_ID"],
    placeholder: "ID",
    description: "Application (client) id, or that of a user-assigned managed identity.",
  },
  clientSecret: {
    type: "string",
    secret: true,
    env: ["AZURE_CLIENT_SECRET", "AZUREDNS_CLIENTSECRET", "ARM_CLIENT_SECRET"],
    description: "Value (not the id) of a client secret of the app registration.",
  },
  clientCertificate: {
    type: "path",
    env: ["AZURE_CLIENT_CERTIFICATE_PATH", "ARM_CLIENT_CERTIFICATE_PATH"],
    placeholder: "FILE",
    description: "PEM file with a certificate of the app registration and its key.",
  },
  clientCertificatePassword: {
    type: "string",
    secret: true,
    env: ["AZURE_CLIENT_CERTIFICATE_PASSWORD", "ARM_CLIENT_CERTIFICATE_PASSWORD"],
    description: "Password of the key in clientCertificate, if it has one.",
  },
  federatedTokenFile: {
    type: "path",
    env: ["AZURE_FEDERATED_TOKEN_FILE"],
    placeholder: "FILE",
    description: "File with a token that the app registration trusts, as Kubernetes mounts it.",
  },
  oidcRequestUrl: {
    type: "url",
    env: ["ACTIONS_ID_TOKEN_REQUEST_URL"],
    description: "Address of the token service of GitHub Actions; GitHub sets it.",
  },
  oidcRequestToken: {
    type: "string",
    secret: true,
    env: ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"],
    description: "Token for the token service of GitHub Actions; GitHub sets it.",
  },
  accessToken: {
    type: "string",
    secret: true,
    env: ["AZUREDNS_BEARERTOKEN"],
    description: "Access token for Azure's management API, used until it expires.",
  },
  authMethod: {
    type: "string",
    choices: ["env", "wli", "oidc", "msi", "cli"],
    env: ["AZURE_AUTH_METHOD"],
    description:
      "Only method to use: env (secret or certificate), wli (federatedTokenFile), oidc (GitHub), msi, cli (az).",
  },
  managedIdentity: {
    type: "boolean",
    default: false,
    env: ["AZUREDNS_MANAGEDIDENTITY"],
    description: "Use a managed identity, like authMethod msi.",
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
    description: "Microsoft cloud, by lego's or cert-manager's name.",
  },
  ttl: {
    type: "integer",
    default: 60,
    min: 1,
    max: 2_147_483_647,
    env: ["AZURE_TTL"],
    description: "TTL in seconds of record sets that acmectl creates.",
  },
  authorityHost: {
    type: "url",
    env: ["AZURE_AUTHORITY_HOST"],
    description: "Address of the login service; by default that of the environment.",
  },
  armUrl: {
    type: "url",
    description: "Address of the management API; by default that of the environment.",
  },
  identityEndpoint: {
    type: "url",
    env: ["IDENTITY_ENDPOINT"],
    description: "Address of the token service of App Service and Functions; they set it.",
  },
  identityHeader: {
    type: "string",
    secret: true,
    env: ["IDENTITY_HEADER"],
    description: "Header value for the token service of App Service; App Service sets it.",
  },
  imdsUrl: {
    type: "url",
    default: "http://169.254.169.254",
    env: ["AZURE_POD_IDENTITY_AUTHORITY_HOST"],
    description: "Address of a virtual machine's metadata service.",
  },
} as const satisfies OptionDeclarations;
