import { defineSolver, Problem } from "acmectl/plugin";
import { plainName, recordSolver, relativeName, zoneFinder } from "acmectl/plugin/http";
import { digitalOcean, explaining } from "./errors.ts";

/** dns-01 with DigitalOcean. */
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
    const api = connect(printable(options.token), apiUrl);
    const { log } = context;
    const domain = options.domain === undefined ? undefined : plainName(options.domain);
    const findDomain = zoneFinder(
      {
        ...names,
        list: async (signal) => ({ zones: await api.domains(signal), all: true }),
        describe: ({ name }) => name,
        hintIfNone: () =>
          "Use a token (token, DO_AUTH_TOKEN) of the team that has the domain, add the domain under Networking, Domains, or delegate the name to a domain here by a CNAME.",
        hintIfSeveral: "Set domain to the one to write to.",
      },
      context,
    );
    return recordSolver({
      ...names,
      log,
      explain: explaining,
      findZone: async (recordName, signal) =>
        domain === undefined ? findDomain(recordName, signal) : { id: domain, name: domain },
      hintIfOutside: "Leave domain out, or limit this solver to its zone with select.zones.",
      async find({ id }, { name, value }, signal) {
        const records = await api.records(id, name, signal);
        // Other tools store the value with quotes.
        const own = records.filter(({ data }) => data.replace(/^"(.*)"$/, "$1") === value);
        return own.map((record) => record.id);
      },
      create: ({ id }, { name, value }, signal) =>
        api.create(id, { name: relativeName(name, id), value, ttl }, signal),
      remove: ({ id }, recordId, signal) => api.remove(id, recordId, signal),
    });
  },
});

const names = { vendor: digitalOcean.name, zoneWord: "domain" };

/** Anything else would be refused by the HTTP library, with the token in its message. */
function printable(token: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  const fault =
    token === ""
      ? "is empty"
      : "contains a space, a line break or another character that no token has";
  throw new Problem("config", {
    detail: `Solver digitalocean: token ${fault}`,
    hint: "Copy the whole token again, without anything around it; in a file it stands alone on the first line.",
  });
}
