import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { Answers } from "../../src/setup/answers.ts";
import type { Findings } from "../../src/setup/findings.ts";
import { providers } from "../../src/setup/findings/providers.ts";
import type { FoundServer } from "../../src/setup/findings/site.ts";
import type { Known } from "../../src/setup/known.ts";
import { planOf } from "../../src/setup/plan.ts";
import { progressOf } from "../../src/setup/questions.ts";

const nothing: Findings = { servers: [], port80: "free", credentials: {}, configured: [] };
const own = "/var/lib/acmectl/certificates/shop.example.com/current";
const nginx: FoundServer = {
  kind: "nginx",
  sites: [
    { names: ["shop.example.com"], root: "/srv/shop", file: "/etc/nginx/sites-enabled/shop" },
    { names: ["blog.example.com"], root: "/srv/blog", file: "/etc/nginx/sites-enabled/blog" },
  ],
};

function knowing(answers: Answers, findings: Partial<Findings> = {}, more: Partial<Known> = {}) {
  const ca = { terms: "https://ca.example/terms", bound: false, hasAccount: false };
  const known: Known = {
    answers,
    earlier: {},
    findings: { ...nothing, ca, ...findings },
    given: {},
    own,
    isRoot: true,
    ...more,
  };
  return known;
}

const account: Answers = {
  domains: "shop.example.com",
  server: "letsencrypt",
  email: "",
  agreeTos: true,
};

const nextQuestion = (known: Known) => progressOf(known).next;

function choices(known: Known): readonly string[] {
  const next = nextQuestion(known);
  return next?.question.kind === "choice" ? next.question.options.map(({ value }) => value) : [];
}

describe("the questions", () => {
  test("come in the order names, CA, address, terms, proof, and end", () => {
    const keys: string[] = [];
    let answers: Answers = {};
    for (let next = nextQuestion(knowing(answers)); next !== undefined;) {
      keys.push(next.key);
      const given = { ...account, proof: "standalone" }[next.key as "proof"];
      answers = { ...answers, [next.key]: given };
      next = nextQuestion(knowing(answers));
    }
    expect(keys).toEqual(["domains", "server", "email", "agreeTos", "proof"]);
  });

  test("leave out what the command line gives", () => {
    const given = { domains: ["a.example.com"], staging: true, email: "a@b.example" };
    const known = knowing({ agreeTos: true }, {}, { given: { ...given, standalone: true } });
    expect(nextQuestion(known)).toBeUndefined();
  });

  test("ask nothing about an account that exists", () => {
    const { domains, server } = account;
    const ca = { bound: true, hasAccount: true };
    expect(nextQuestion(knowing({ domains, server }, { ca }))?.key).toBe("proof");
  });

  test("ask for the external account binding that a CA requires, and take only a reference to its key", () => {
    const ca = { bound: true, hasAccount: false, website: "https://ca.example" };
    expect(nextQuestion(knowing(account, { ca }))?.question.note).toContain("https://ca.example");
    const next = nextQuestion(knowing({ ...account, eabKid: "kid" }, { ca }));
    const check = next?.question.kind === "text" ? next.question.check : () => undefined;
    expect(check("secret")).toContain("file:/path");
    expect(check("env:EAB_HMAC")).toBeUndefined();
    const zerossl = { ...account, server: "zerossl", email: "ops@example.com" };
    expect(nextQuestion(knowing(zerossl, { ca }))?.key).toBe("proof");
  });

  test("refuse a name that is none, and an address that is none", () => {
    const names = nextQuestion(knowing({}))?.question;
    if (names?.kind !== "text") throw new Error("a text was expected");
    expect(names.check("shop.example.com, exa mple")).toContain("exa mple");
    expect(names.check("shop.example.com, *.example.com,")).toBeUndefined();
    expect(names.check(" ")).toBe("No name was given.");
  });

  test("of kept answers, count those that the command line leaves open and that are still possible", () => {
    const answers: Answers = { ...account, proof: "webroot", webroot: "/srv/shop" };
    const given = { standalone: true };
    expect(progressOf(knowing(answers, {}, { given })).answers).toEqual(account);
    const wildcard = { ...answers, domains: "*.example.com" };
    expect(nextQuestion(knowing(wildcard))?.key).toBe("proof");
    const served = { ...account, proof: "sites", placement: "state" } as const;
    expect(nextQuestion(knowing(served))?.key).toBe("proof");
  });

  test("leave a solver of the config as it is, unless the conversation put it there", () => {
    const answers = { ...account, proof: "cloudflare" };
    const zone = { name: "example.com", provider: providers.find(({ solver }) => solver) };
    const credentials = { cloudflare: ["CF_DNS_API_TOKEN"] };
    const findings = { zone, credentials, configured: ["cloudflare"] };
    expect(nextQuestion(knowing(answers, findings))).toBeUndefined();
    const earlier = { credential: "file:/etc/acmectl/old" };
    expect(nextQuestion(knowing(answers, findings, { earlier }))?.key).toBe("credential");
  });

  test("accept a secret only by a reference that means the same to a scheduled renewal", () => {
    const credentials = { cloudflare: ["CF_DNS_API_TOKEN"] };
    const next = nextQuestion(knowing({ ...account, proof: "cloudflare" }, { credentials }));
    const check = next?.question.kind === "text" ? next.question.check : () => undefined;
    expect(check("file:token")).toContain("absolute");
    expect(check("the-token-itself")).toContain("file:/path");
    expect(check("file:/etc/acmectl/token")).toBeUndefined();
  });

  test("demand an email address where the CA does", () => {
    const address = (server: string) => {
      const question = nextQuestion(knowing({ domains: "shop.example.com", server }))?.question;
      return question?.kind === "text" ? question.check("") : "no text";
    };
    expect(address("letsencrypt")).toBeUndefined();
    expect(address("google")).toContain("email address");
  });

  test("offer again what was answered before", () => {
    const earlier = { domains: "shop.example.com", proof: "tls-alpn" };
    const first = nextQuestion(knowing({}, {}, { earlier }))?.question;
    expect(first?.kind === "text" && first.initial).toBe("shop.example.com");
    const proof = nextQuestion(knowing(account, {}, { earlier }))?.question;
    expect(proof?.kind === "choice" && proof.initial).toBe("tls-alpn");
  });
});

describe("the ways to prove the names", () => {
  test("begin with the web server that serves all names", () => {
    expect(choices(knowing(account, { servers: [nginx] }))[0]).toBe("sites");
    const both = { ...account, domains: "shop.example.com,other.example.com" };
    expect(choices(knowing(both, { servers: [nginx] }))).not.toContain("sites");
  });

  test("begin with port 80 if it is free, and with a folder if it is not", () => {
    expect(choices(knowing(account))[0]).toBe("standalone");
    expect(choices(knowing(account, { port80: "in use" }))[0]).toBe("webroot");
  });

  test("are DNS alone for a wildcard: the provider of the zone, then solvers with credentials", () => {
    const wildcard = { ...account, domains: "*.example.com" };
    const provider = providers.find(({ solver }) => solver === "cloudflare");
    const zone = { name: "example.com", provider };
    const credentials = { route53: ["AWS_PROFILE"] };
    expect(choices(knowing(wildcard, { zone, credentials }))).toEqual(["cloudflare", "route53"]);
    expect(choices(knowing(wildcard))).toContain("google");
    expect(nextQuestion(knowing(wildcard))?.question.note).toContain("only be proven by DNS");
  });

  test("name the recipe of a provider without a built-in solver", () => {
    const provider = providers.find(({ name }) => name === "Hetzner Cloud DNS");
    const next = nextQuestion(knowing(account, { zone: { name: "example.com", provider } }));
    expect(next?.question.note).toContain("docs/providers.md has a recipe for Hetzner Cloud DNS");
  });
});

describe("the place of the files", () => {
  const asked = { ...account, proof: "sites" };
  const withSite = (site: object, kind: FoundServer["kind"] = "nginx"): Partial<Findings> => ({
    servers: [{ kind, sites: [{ names: ["shop.example.com"], root: "/srv/shop", ...site }] }],
  });

  test("is acmectl's own, or copies; existing files only if they are not another program's", () => {
    expect(choices(knowing(asked, { servers: [nginx] }))).toEqual(["state", "folder"]);
    const mine = withSite({ certificate: "/etc/nginx/tls/c.pem", key: "/etc/nginx/tls/k.pem" });
    expect(choices(knowing(asked, mine))).toEqual(["state", "existing", "folder"]);
    const theirs = withSite({
      certificate: "/etc/letsencrypt/live/shop/fullchain.pem",
      key: "/etc/letsencrypt/live/shop/privkey.pem",
    });
    expect(choices(knowing(asked, theirs))).toEqual(["state", "folder"]);
    const { server } = planOf(knowing({ ...asked, placement: "state" }, theirs), {});
    expect(server?.current).toBe("/etc/letsencrypt/live/shop/fullchain.pem");
  });

  test("is a copy for Caddy, and where the state is shared", () => {
    expect(choices(knowing(asked, withSite({}, "caddy")))).toEqual(["folder"]);
    expect(choices(knowing(asked, { servers: [nginx] }, { own: undefined }))).toEqual(["folder"]);
  });

  test.each([
    ["nginx", `ssl_certificate_key ${own}/privkey.pem;`],
    ["apache", `SSLCertificateKeyFile ${own}/privkey.pem`],
    ["postfix", `smtpd_tls_chain_files = ${own}/privkey.pem, ${own}/fullchain.pem`],
    ["dovecot", `ssl_server_key_file = ${own}/privkey.pem`],
  ] as const)("is shown in the words of %s", (kind, text) => {
    const plan = planOf(knowing({ ...asked, placement: "state" }, withSite({}, kind)), {});
    expect(plan.server?.lines).toContain(text);
  });

  test("has the key beside the certificate for HAProxy", () => {
    const answers: Answers = { ...asked, placement: "folder", folder: "/etc/haproxy/shop" };
    const { flags, server } = planOf(knowing(answers, withSite({}, "haproxy")), {});
    expect(flags.keyFile).toBe("/etc/haproxy/shop/fullchain.pem.key");
    expect(server?.lines).toBe("bind :443 ssl crt /etc/haproxy/shop/fullchain.pem");
  });

  test("needs no lines where the server reads the files already", () => {
    const files = { certificate: "/etc/nginx/tls/c.pem", key: "/etc/nginx/tls/k.pem" };
    const { flags, server } = planOf(
      knowing({ ...asked, placement: "existing" }, withSite(files)),
      {},
    );
    expect(flags).toMatchObject({ fullchainFile: files.certificate, keyFile: files.key });
    expect(server?.lines).toBeUndefined();
  });
});

describe("the plan", () => {
  test("is one command line and the same as a config", () => {
    const answers: Answers = {
      ...account,
      email: "ops@example.com",
      proof: "sites",
      placement: "state",
      reload: true,
    };
    const { commands, config, name } = planOf(knowing(answers, { servers: [nginx] }), {});
    expect(name).toBe("shop.example.com");
    expect(commands).toEqual([
      "acmectl issue -d shop.example.com --server letsencrypt -m ops@example.com --agree-tos --webroot /srv/shop --reload nginx",
      "acmectl schedule install",
    ]);
    expect(parse(config)).toEqual({
      issuers: { letsencrypt: { server: "letsencrypt", email: "ops@example.com", agreeTos: true } },
      solvers: { webroot: { use: "webroot", directory: "/srv/shop" } },
      certificates: {
        "shop.example.com": {
          domains: ["shop.example.com"],
          issuer: "letsencrypt",
          solvers: ["webroot"],
          deploy: [{ reload: "nginx" }],
        },
      },
    });
  });

  test("gives each site its own folder", () => {
    const answers = { ...account, domains: "shop.example.com,blog.example.com", proof: "sites" };
    const { commands, config } = planOf(knowing(answers, { servers: [nginx] }), {});
    expect(commands[0]).toContain(
      "--solver webroot --webroot-directories shop.example.com=/srv/shop --webroot-directories blog.example.com=/srv/blog",
    );
    const directories = { "shop.example.com": "/srv/shop", "blog.example.com": "/srv/blog" };
    expect(parse(config)).toMatchObject({ solvers: { webroot: { directories } } });
  });

  test("writes the reference to a DNS token to the config, never a secret to a command line", () => {
    const credential = "file:/etc/acmectl/cf";
    const { commands, config } = planOf(
      knowing({ ...account, proof: "cloudflare", credential }),
      {},
    );
    expect(commands.slice(0, 2)).toEqual([
      `acmectl config set solvers.cloudflare '{"use":"cloudflare","apiToken":"file:/etc/acmectl/cf"}'`,
      "acmectl issue -d shop.example.com --server letsencrypt --agree-tos --solver cloudflare",
    ]);
    const cloudflare = { use: "cloudflare", apiToken: credential };
    expect(parse(config)).toMatchObject({ solvers: { cloudflare } });
  });

  test("has the staging environment in the config too", () => {
    const given = { staging: true, dns: "route53" };
    const { commands, config } = planOf(knowing(account, {}, { given }), {});
    expect(commands[0]).toContain("--staging");
    expect(parse(config)).toEqual({
      issuers: { "letsencrypt-staging": { server: "letsencrypt-staging", agreeTos: true } },
      solvers: { route53: { use: "route53" } },
      certificates: {
        "shop.example.com": {
          domains: ["shop.example.com"],
          issuer: "letsencrypt-staging",
          solvers: ["route53"],
        },
      },
    });
  });

  test("keeps options of the command line, in a form that a shell reads", () => {
    const given = {
      csr: undefined,
      mustStaple: true,
      duration: 3_600_000,
      dnsTimeout: 90_000,
      danePorts: ["25"],
      selfCheck: false,
      labels: { team: "shop & co" },
      preHook: ["echo a,b"],
      server: "https://ca.example/dir",
    };
    const known = knowing({ ...account, proof: "standalone" }, {}, { given });
    const { commands, config } = planOf(known, { standalone: { port: "8080" } });
    expect(commands[0]).toBe(
      "acmectl issue -d shop.example.com --must-staple --labels 'team=shop & co' --duration 1h --server https://ca.example/dir --agree-tos --standalone --no-self-check --dns-timeout 1m30s --pre-hook 'echo a,b' --dane-ports 25 --standalone-port 8080",
    );
    expect(parse(config)).toMatchObject({
      issuers: { ca: { server: "https://ca.example/dir", agreeTos: true } },
      solvers: { standalone: { use: "standalone", port: "8080" } },
      certificates: {
        "shop.example.com": {
          mustStaple: true,
          duration: "1h",
          labels: { team: "shop & co" },
          dns: { timeout: "1m30s" },
          dane: { ports: ["25"] },
          pre: [{ run: "echo a,b", shell: true }],
        },
      },
    });
  });
});
