/** The examples of docs/ci.md and docs/schedule.md, executed unchanged: only variables differ. */
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { certificateId } from "../../src/acme/certificate/extensions.ts";
import { startIssuing, type Issuing } from "../support/issuing.ts";
import { run } from "../support/run.ts";
import { ageCertificate, schedulerPath } from "../support/scheduled.ts";
import { find } from "../support/servers/catalog.ts";
import { besideCron, cronAvailable } from "../support/servers/cron.ts";
import { conditions, program } from "../support/spawn.ts";
import { openssl, temporaryFolder } from "../support/state.ts";

const page = (name: string) => readFile(new URL(`../../docs/${name}`, import.meta.url), "utf8");

/** The fenced blocks of one language, in their order. */
function blocks(markdown: string, language: string): readonly string[] {
  const fence = new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm");
  return [...markdown.matchAll(fence)].map(([, body = ""]) => body);
}

interface Workflow {
  jobs: { certificate: { env: Record<string, string>; steps: { run?: string }[] } };
}
interface Pipeline {
  certificate: { variables: Record<string, string>; script: string[] };
}

async function executable(path: string, text: string): Promise<void> {
  await writeFile(path, text);
  await chmod(path, 0o755);
}

/** On PATH as `acmectl`, this checkout. */
const acmectl = `#!/bin/sh\nexec "${process.execPath}" ${conditions.join(" ")} "${program}" "$@"\n`;

describe("docs/ci.md", () => {
  let issuing: Issuing;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let env: Record<string, string>;
  beforeEach(async () => {
    issuing = await startIssuing({ termsOfService: "https://ca.example/terms" });
    folder = await temporaryFolder();
    const bin = join(folder.path, "bin");
    await mkdir(bin);
    await executable(join(bin, "acmectl"), acmectl);
    // The package that npm would install is on PATH already: this checkout.
    await executable(
      join(bin, "npm"),
      `#!/bin/sh\n[ "$*" = "install --global ./tools/acmectl.tgz" ]\n`,
    );
    await executable(
      join(folder.path, "deploy.sh"),
      `#!/bin/sh\ncp "$1" deployed.pem && cp "$2" deployed.key && echo once >> deployments\n`,
    );
    const [once = ""] = blocks(await page("ci.md"), "sh");
    await promisify(execFile)("bash", ["-e", "-c", once], { cwd: folder.path });
    env = {
      PATH: [bin, dirname(process.execPath), "/usr/bin", "/bin"].join(delimiter),
      HOME: folder.path,
      ACMECTL_SERVER: issuing.ca.directoryUrl,
      ACMECTL_CA_BUNDLE: issuing.words[3] ?? "",
      ACMECTL_DOMAINS: "staging.example.test",
      ACMECTL_SOLVER: "standalone",
      ACMECTL_STANDALONE_PORT: String(issuing.httpPort),
      ACMECTL_SELF_CHECK_AT: `127.0.0.1:${issuing.httpPort}`,
    };
  });
  afterEach(async () => {
    await folder[Symbol.asyncDispose]();
    await issuing[Symbol.asyncDispose]();
  });

  const orders = () => issuing.ca.requests.filter(({ kind }) => kind === "newOrder").length;
  const accounts = () => {
    const made = issuing.ca.requests.filter(
      ({ kind, status }) => kind === "newAccount" && status === 201,
    );
    return made.length;
  };
  const inFolder = (name: string) => readFile(join(folder.path, name), "utf8");

  /** Three runs of a job: the first gets a certificate, the second nothing, the third another one for the CA wants it. */
  const expectThreeRuns = async (job: () => Promise<void>) => {
    await job();
    expect(await inFolder("deployments")).toBe("once\n");
    const [key, leaf] = await Promise.all([
      openssl("pkey", "-in", join(folder.path, "deployed.key"), "-pubout"),
      openssl("x509", "-in", join(folder.path, "deployed.pem"), "-pubkey", "-noout"),
    ]);
    expect(key).toBe(leaf);
    await job();
    expect(await inFolder("deployments")).toBe("once\n");
    expect(orders()).toBe(1);
    const certificate = new X509Certificate(await inFolder("certificate/fullchain.pem"));
    issuing.ca.setRenewalInfo(certificateId(certificate) ?? "", {
      start: new Date(Date.now() - 7_200_000),
      end: new Date(Date.now() - 3_600_000),
    });
    await job();
    expect(await inFolder("deployments")).toBe("once\nonce\n");
    expect({ orders: orders(), accounts: accounts() }).toEqual({ orders: 2, accounts: 1 });
  };

  test.skipIf(find("jq") === undefined)("the job of GitHub Actions", async () => {
    const workflow = parse(blocks(await page("ci.md"), "yaml")[0] ?? "") as Workflow;
    const { env: given, steps } = workflow.jobs.certificate;
    const scripts = steps.flatMap((step) => (step.run === undefined ? [] : [step.run]));
    expect(scripts).toHaveLength(2);
    const secrets = { ACMECTL_ACCOUNT_KEY: await inFolder("account.pem") };
    await expectThreeRuns(async () => {
      await using temporary = await temporaryFolder();
      for (const script of scripts) {
        const environment = { ...given, ...env, ...secrets, RUNNER_TEMP: temporary.path };
        await promisify(execFile)("bash", ["-e", "-c", script], {
          cwd: folder.path,
          env: environment,
        });
      }
    });
  });

  test("the job of GitLab CI", async () => {
    const pipeline = parse(blocks(await page("ci.md"), "yaml")[1] ?? "") as Pipeline;
    const { variables, script } = pipeline.certificate;
    const secrets = { ACMECTL_ACCOUNT_KEY_FILE: join(folder.path, "account.pem") };
    await expectThreeRuns(async () => {
      await using temporary = await temporaryFolder();
      const lines = ["set -eo pipefail", ...script].join("\n");
      await promisify(execFile)("bash", ["-c", lines], {
        cwd: folder.path,
        env: { ...variables, ...env, ...secrets, TMPDIR: temporary.path },
      });
    });
  });

  test("a job with a corrupt --current-cert fails and deploys nothing", async () => {
    const pipeline = parse(blocks(await page("ci.md"), "yaml")[1] ?? "") as Pipeline;
    const { variables, script } = pipeline.certificate;
    await mkdir(join(folder.path, "certificate"));
    await writeFile(join(folder.path, "certificate", "fullchain.pem"), "<html>");
    const ended = promisify(execFile)("bash", ["-c", ["set -eo pipefail", ...script].join("\n")], {
      cwd: folder.path,
      env: {
        ...variables,
        ...env,
        TMPDIR: folder.path,
        ACMECTL_ACCOUNT_KEY_FILE: join(folder.path, "account.pem"),
      },
    });
    await expect(ended).rejects.toMatchObject({ code: 2 });
    await expect(inFolder("deployments")).rejects.toMatchObject({ code: "ENOENT" });
    expect(orders()).toBe(0);
  });
});

/** In the namespaces of `besideCron`: `acmectl` where the page says it is, and a state where root has it. */
const asInstalled = `
mount -t tmpfs none /usr/local/bin
printf '#!/bin/sh\\nexport ACMECTL_JITTER=false\\nexec "$NODE" ${conditions.join(" ")} "$PROGRAM" "$@"\\n' > /usr/local/bin/acmectl
chmod 755 /usr/local/bin/acmectl
mount -t tmpfs none /var/lib
mkdir /var/lib/acmectl
mount --bind "$STATE" /var/lib/acmectl
`;

describe.skipIf(!cronAvailable())("docs/schedule.md", () => {
  test("a real cron accepts the crontab and renews with it", async () => {
    await using issuing = await startIssuing();
    expect((await issuing.issue(["-d", "docs.example.test"])).code).toBe(0);
    const certificate = join(issuing.state, "certificates", "docs.example.test");
    await ageCertificate(certificate);
    const first = new X509Certificate(await readFile(join(certificate, "current", "cert.pem")));
    issuing.ca.setRenewalInfo(certificateId(first) ?? "", {
      start: new Date(Date.now() - 7_200_000),
      end: new Date(Date.now() - 3_600_000),
    });
    const [table = ""] = blocks(await page("schedule.md"), "crontab");
    await besideCron(
      `${asInstalled.replace('"$NODE"', `"${process.execPath}"`).replace('"$PROGRAM"', `"${program}"`)}
      printf '%s' "$TABLE" | crontab -
      start_cron '2030-01-01 03:26:58'
      wait_for "/var/lib/acmectl/certificates/docs.example.test/versions/2/cert.pem"`,
      { STATE: issuing.state, TABLE: table, HOME: dirname(issuing.state) },
    );
    const second = new X509Certificate(
      await readFile(join(certificate, "versions", "2", "cert.pem")),
    );
    expect(second.serialNumber).not.toBe(first.serialNumber);
  });

  test.skipIf(find("systemd-analyze") === undefined)(
    "systemd-analyze accepts the units",
    async () => {
      await using folder = await temporaryFolder();
      const units = blocks(await page("schedule.md"), "ini");
      const files = units.map((text) => /^# (\/\S+)\n/.exec(text)?.[1] ?? "");
      expect(files.map((file) => file.split("/").at(-1))).toEqual([
        "acmectl-renew.service",
        "acmectl-renew.timer",
      ]);
      const written = files.map((file) => join(folder.path, file.split("/").at(-1) ?? ""));
      for (const [index, file] of written.entries()) await writeFile(file, units[index] ?? "");
      const said = await besideCron(
        `${asInstalled}
        systemd-analyze verify --man=no ${written.map((file) => `"${file}"`).join(" ")} 2>&1`,
        { STATE: folder.path, NODE: process.execPath, PROGRAM: program, HOME: folder.path },
      );
      expect(said.split("\n").filter((line) => line.includes("acmectl"))).toEqual([]);
    },
  );

  test("the commands exist, and --dry-run changes nothing", async () => {
    const said = blocks(await page("schedule.md"), "sh").join("\n");
    const lines = said.split("\n").filter((line) => line.startsWith("acmectl schedule install"));
    expect(lines).toHaveLength(4);
    await using folder = await temporaryFolder();
    const variables = join(folder.path, "environment");
    await writeFile(variables, "", { mode: 0o600 });
    for (const line of lines) {
      const words = line
        .replace(/ +#.*/, "")
        .replace(" --dry-run", "")
        .replace("/etc/acmectl/environment", variables)
        .split(" ");
      const { code } = await run([...words.slice(1), "--by", "cron", "--dry-run", "--force"], {
        uid: 1000,
        env: { HOME: folder.path, PATH: schedulerPath },
      });
      expect(code).toBe(0);
    }
  });
});
