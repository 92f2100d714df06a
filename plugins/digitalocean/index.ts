import { Problem, defineSolver } from "acmectl/plugin";

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
      description: "A personal access token with the scopes domain:read and domain:update.",
    },
    domain: {
      type: "string",
      placeholder: "DOMAIN",
      description:
        "The domain at DigitalOcean to write to; without it the longest one that fits the name.",
    },
    ttl: {
      type: "integer",
      default: 30,
      min: 30,
      max: 86_400,
      env: ["DO_TTL"],
      description:
        "Seconds that resolvers may keep the record; DigitalOcean takes no less than 30.",
    },
    apiUrl: {
      type: "url",
      default: "https://api.digitalocean.com",
      env: ["DO_API_URL", "DIGITALOCEAN_API_URL"],
      description: "Another address of the API, without /v2.",
    },
  },
  async create(options, context) {
    const token = printable(options.token);
    const [{ connect }, { solve }] = await Promise.all([
      import("./client.ts"),
      import("./solver.ts"),
    ]);
    const domain = options.domain?.toLowerCase().replace(/\.$/, "");
    const { ttl, apiUrl } = options;
    return solve(connect(token, apiUrl), { domain, ttl, log: context.log });
  },
});

/** Anything else would be refused by the HTTP library, with the token in its message. */
function printable(token: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  const held =
    token === "" ? "nothing" : "a space, a line break or another character that no token has";
  throw new Problem("config", {
    detail: `Solver digitalocean: token holds ${held}`,
    hint: "Copy it again, whole and without anything around it; a file holds it alone on its first line.",
  });
}
