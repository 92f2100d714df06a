import { resolve } from "node:path";
import type { Context } from "../../context.ts";
import { takeAccount } from "../../import/accounts.ts";
import { type Translation, translate } from "../../import/cert-manager/cert-manager.ts";
import { secretsOf, type TranslatedIssuer } from "../../import/cert-manager/issuers.ts";
import {
  type Manifest,
  type Manifests,
  manifestsIn,
  manifestsOfCluster,
  recordIn,
  textIn,
} from "../../import/cert-manager/manifests.ts";
import { readAccountKey } from "../../import/material.ts";
import type { FoundAccount, Left } from "../../import/found.ts";
import { file } from "../../options/declaration.ts";
import { Problem } from "../../problem.ts";
import { heading, line, type Result, table, verbatim } from "../../result.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "import cert-manager",
  summary: "Write a config from cert-manager's Issuers and Certificates",
  description:
    "Reads manifests, or the cluster that kubectl uses if no file is given, and shows the config. Takes over the keys of ACME accounts if their Secrets can be read. Does not change cert-manager.",
  arguments: [{ usage: "[files...]", description: "YAML files, folders of them, or - for stdin" }],
  examples: [
    "acmectl import cert-manager",
    "acmectl import cert-manager ./manifests --output /etc/acmectl/acmectl.yaml",
  ],
  options: {
    dryRun: { type: "boolean", description: "Show the config, but take over no accounts." },
    output: file("Write the config to this new file."),
    secrets: {
      type: "path",
      description: "Folder where Secrets are mounted as NAME/KEY; otherwise kubectl reads them.",
    },
    kubeconfig: file("Kubeconfig file; by default as kubectl finds it."),
    kubeContext: {
      type: "string",
      description: "Context of the kubeconfig.",
      placeholder: "NAME",
    },
    namespace: {
      type: "string",
      description: "Only this namespace, and ClusterIssuers.",
      placeholder: "NAME",
    },
  },
  async run(flags, context): Promise<Result> {
    const { kubeconfig, kubeContext, namespace, secrets, output, dryRun } = flags;
    const manifests =
      context.args.length > 0
        ? await manifestsIn(context.args, context)
        : await manifestsOfCluster({ kubeconfig, context: kubeContext, namespace }, context);
    const translation = await translate(manifests, { secrets, kubeconfig, context: kubeContext });
    const { issuers, certificates } = translation;
    const left = [...manifests.left, ...translation.left];
    if (issuers.length === 0) throw nothing(manifests, left);
    const accounts = await accountsOf(issuers, manifests, dryRun === true, context);
    left.push(...accounts.left);
    const path = output === undefined ? undefined : resolve(context.cwd, output);
    // Last, since it refuses a file that exists: a run that failed before can be repeated.
    if (path !== undefined && dryRun !== true) {
      const { createConfig } = await import("../../config/conf.ts");
      await createConfig(path, translation.config);
    }
    return {
      exitCode: 0,
      document: {
        outcome: dryRun === true ? "planned" : "imported",
        client: "cert-manager",
        from: manifests.from,
        config: translation.config,
        path,
        issuers: issuers.map(({ name }) => name),
        certificates: certificates.map((name) => ({ name, outcome: "planned" })),
        accounts: accounts.taken,
        left,
      },
      view: viewOf(translation, path, accounts.taken, left),
    };
  },
});

function nothing({ from }: Manifests, left: readonly Left[]): Problem {
  const reasons = left.map(({ what, why }) => ` ${what}: ${why}.`).join("");
  return new Problem("usage", {
    detail: `No Issuer or ClusterIssuer of an ACME CA was found in ${from}.${reasons}`,
    hint: "Give the files of cert-manager's Issuers with those of its Certificates.",
  });
}

interface Taken {
  readonly issuer: string;
  readonly id: string;
  readonly outcome: string;
}

async function accountsOf(
  issuers: readonly TranslatedIssuer[],
  manifests: Manifests,
  dryRun: boolean,
  context: Context,
): Promise<{ readonly taken: readonly Taken[]; readonly left: readonly Left[] }> {
  const taken: Taken[] = [];
  const left: Left[] = [];
  const { clock, signal } = context;
  for (const issuer of issuers) {
    if (issuer.accountKey === undefined) continue;
    const what = `account of ${issuer.name}`;
    const secret = await secretFor(issuer, manifests);
    const pem = secret?.data[issuer.accountKey.key];
    if (pem === undefined) {
      const name = `${secretsOf(issuer.manifest)}/${issuer.accountKey.name}`;
      left.push({
        what,
        why: `cannot read the Secret ${name}, so acmectl will register a new account`,
      });
      continue;
    }
    context.mask(pem);
    const account = foundAccount(issuer, pem, what);
    const tools = { store: await context.store(), clock, signal, wait: 60_000 };
    const { outcome } = await takeAccount(account, { dryRun, force: false }, tools);
    taken.push({ issuer: issuer.name, id: account.id, outcome });
  }
  return { taken, left };
}

async function secretFor(
  { manifest, accountKey }: TranslatedIssuer,
  manifests: Manifests,
): Promise<Manifest | undefined> {
  const name = accountKey?.name ?? "";
  const namespace = secretsOf(manifest);
  const given = manifests.all.filter((one) => one.kind === "Secret" && one.name === name);
  const exact = given.find((one) => one.namespace === namespace);
  // Files often leave the namespace out.
  const only = given.length === 1 ? given[0] : undefined;
  return exact ?? only ?? manifests.secret(namespace, name);
}

function foundAccount(
  { manifest, server, entry }: TranslatedIssuer,
  pem: string,
  source: string,
): FoundAccount {
  const email = textIn(entry, "email");
  return {
    ...readAccountKey(pem, source),
    directory: server,
    url: textIn(recordIn(manifest.status, "acme"), "uri"),
    contact: email === undefined ? [] : [`mailto:${email}`],
    source,
  };
}

function viewOf(
  { config, certificates }: Translation,
  path: string | undefined,
  accounts: readonly Taken[],
  left: readonly Left[],
): Result["view"] {
  const count = certificates.length;
  const next =
    "Then remove cert-manager's Certificates, but keep their Secrets: `kubectl delete --cascade=orphan certificate NAME`.";
  return [
    ...(path === undefined
      ? [verbatim(config.trimEnd())]
      : [line(`${path} has ${count} ${count === 1 ? "certificate" : "certificates"}.`, "good")]),
    ...accounts.map(({ issuer, id }) => line(`The account of ${issuer} was taken over (${id}).`)),
    ...(left.length === 0 ? [] : [heading("Not imported")]),
    ...(left.length === 0
      ? []
      : [
          table(
            ["What", "Why"],
            left.map(({ what, why }) => [what, why]),
          ),
        ]),
    line(`Next: \`acmectl config validate\`, \`acmectl plan\`, \`acmectl apply\`. ${next}`),
  ];
}
