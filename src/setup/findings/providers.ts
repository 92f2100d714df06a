/** Who hosts a DNS zone, by the names of its servers. */
export interface Provider {
  /** As docs/providers.md calls it. */
  readonly name: string;
  readonly nameserver: RegExp;
  /** The built-in solver for it. */
  readonly solver?: string | undefined;
}

export const providers: readonly Provider[] = [
  {
    name: "Amazon Route 53",
    nameserver: /\.awsdns-\d+\.(com|net|org|co\.uk)$/u,
    solver: "route53",
  },
  { name: "Azure DNS", nameserver: /\.azure-dns\.(com|net|org|info)$/u, solver: "azure" },
  { name: "Cloudflare", nameserver: /\.cloudflare\.com$/u, solver: "cloudflare" },
  { name: "DigitalOcean", nameserver: /\.digitalocean\.com$/u, solver: "digitalocean" },
  { name: "Google Cloud DNS", nameserver: /^ns-cloud-.+\.googledomains\.com$/u, solver: "google" },
  { name: "Bunny", nameserver: /\.bunny\.net$/u },
  { name: "deSEC", nameserver: /\.desec\.(io|org)$/u },
  { name: "DNSimple", nameserver: /\.dnsimple(-edge)?\.(com|net|org|io)$/u },
  { name: "Gandi LiveDNS", nameserver: /\.gandi\.net$/u },
  { name: "GoDaddy", nameserver: /\.domaincontrol\.com$/u },
  { name: "Hetzner Cloud DNS", nameserver: /\.ns\.hetzner\.(com|de)$/u },
  { name: "INWX", nameserver: /\.inwx\.(de|eu|net|com)$/u },
  { name: "IONOS", nameserver: /\.ui-dns\.(com|de|org|biz)$/u },
  { name: "Linode (Akamai)", nameserver: /\.linode\.com$/u },
  { name: "Namecheap", nameserver: /\.registrar-servers\.com$/u },
  { name: "netcup", nameserver: /\.netcup\.net$/u },
  { name: "NS1", nameserver: /\.nsone\.net$/u },
  { name: "OVH", nameserver: /\.(ovh\.net|anycast\.me)$/u },
  { name: "Porkbun", nameserver: /\.porkbun\.com$/u },
  { name: "Scaleway", nameserver: /\.dom\.scw\.cloud$/u },
  { name: "Vultr", nameserver: /\.vultr\.com$/u },
];

export function providerOf(nameservers: readonly string[]): Provider | undefined {
  const hosts = nameservers.map((host) => host.toLowerCase().replace(/\.$/u, ""));
  return providers.find(({ nameserver }) => hosts.some((host) => nameserver.test(host)));
}
