import { defineSolver } from "acmectl/plugin";
import { plainName, printable, recordSolver, relativeName } from "acmectl/plugin/http";
import type { RecordProvider } from "acmectl/plugin/http";
import { digitalOcean, explaining } from "./errors.ts";

export default defineSolver({
  summary: "dns-01 with DigitalOcean, by API token",
  challengeTypes: ["dns-01"],
  concurrency: 4,
  options: {
    token: {
      type: "string",
      secret: true,
      required: true,
      env: ["DO_AUTH_TOKEN", "DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN", "DO_API_KEY"],
      description: "Personal access token with the scopes domain:read and domain:update.",
    },
    domain: {
      type: "string",
      placeholder: "DOMAIN",
      description: "Domain to write to; by default the longest one that holds the name.",
    },
    ttl: {
      type: "integer",
      default: 30,
      min: 30,
      max: 86_400,
      env: ["DO_TTL"],
      description: "TTL of the records in seconds, at least 30.",
    },
    apiUrl: {
      type: "url",
      default: "https://api.digitalocean.com",
      env: ["DO_API_URL", "DIGITALOCEAN_API_URL"],
      description: "Address of the API, without /v2.",
    },
  },
  async create(options, context) {
    const { ttl, apiUrl } = options;
    const { connect } = await import("./client.ts");
    const api = connect(printable("digitalocean", "token", options.token), apiUrl);
    const domain = options.domain === undefined ? undefined : plainName(options.domain);
    const provider: RecordProvider = {
      vendor: digitalOcean.name,
      zoneWord: "domain",
      explain: explaining,
      zones: {
        list: async (signal) => ({ zones: await api.domains(signal), all: true }),
        describe: ({ name }) => name,
        hintIfNone: () =>
          "Use a token (token, DO_AUTH_TOKEN) of the team that has the domain, add the domain under Networking, Domains, or delegate the name to a domain here by a CNAME.",
        hintIfSeveral: "Set domain to the one to write to.",
      },
      zone: domain === undefined ? undefined : { id: domain, name: domain },
      hintIfOutside: "Leave domain out, or limit this solver to its zone with select.zones.",
      async find({ id }, { name, value }, signal) {
        const records = await api.records(id, name, signal);
        // Other tools store the value with quotes.
        const own = records.filter(({ data }) => data.replace(/^"(.*)"$/, "$1") === value);
        return own.map((record) => record.id);
      },
      create: ({ id }, { name, value }, signal) =>
        api.create(id, relativeName(name, id), value, ttl, signal),
      remove: ({ id }, recordId, signal) => api.remove(id, recordId, signal),
    };
    return recordSolver(provider, context);
  },
});
