/** What keeps the promises about keys, certificates and orders, taken out one by one. */
export interface Sabotage {
  readonly name: string;
  readonly file: string;
  /** Must occur exactly once. */
  readonly out: string;
  readonly in: string;
  /** Of these at least one must fail. */
  readonly tests: readonly string[];
  /** A part of the titles of those that are run; all when absent. */
  readonly title?: string;
}

export const sabotages: readonly Sabotage[] = [
  {
    name: "a durable write does not sync the file",
    file: "src/state/folder/files.ts",
    out: "    await handle.writeFile(content);\n    await handle.sync();\n",
    in: "    await handle.writeFile(content);\n",
    tests: ["test/faults/store-commit.test.ts"],
    title: "synced before",
  },
  {
    name: "a durable write does not sync the folder",
    file: "src/state/folder/files.ts",
    out: "    await replaceFile(path, content, assert);\n    await syncFolder(dirname(path));\n",
    in: "    await replaceFile(path, content, assert);\n",
    tests: ["test/faults/store-commit.test.ts"],
    title: "synced before",
  },
  {
    name: "a version is linked before its folder is synced",
    file: "src/state/folder/versions.ts",
    out: '  await syncFolder(join(certificate, "versions"));\n',
    in: "",
    tests: ["test/faults/store-commit.test.ts"],
    title: "synced before",
  },
  {
    name: "a certificate for another key is accepted",
    file: "src/acme/certificate/accept.ts",
    out: "  if (!isSameKey(publicKeyOf(leaf), expected.publicKey)) return",
    in: "  if (false) return",
    tests: ["test/acme/certificate.test.ts"],
  },
  {
    name: "a certificate without an ordered name is accepted",
    file: "src/acme/certificate/accept.ts",
    out: "lacking.length > 0 ?",
    in: "false ?",
    tests: ["test/acme/certificate.test.ts"],
  },
  {
    name: "an expired certificate is accepted",
    file: "src/acme/certificate/accept.ts",
    out: "to <= now.getTime() ?",
    in: "false ?",
    tests: ["test/acme/certificate.test.ts"],
  },
  {
    name: "an order for other names is resumed",
    file: "src/issue/order.ts",
    out: "  if (namesOf(identifiers) !== namesOf(request.identifiers)) return false;\n",
    in: "",
    tests: ["test/issue/order.test.ts", "test/issue/hostile-ca.test.ts"],
  },
  {
    name: "a run that lost its lock commits",
    file: "src/state/folder/versions.ts",
    out: "        await lock.assertHeld();\n",
    in: "",
    tests: ["test/state/locks.test.ts"],
    title: "lost its lock",
  },
  {
    name: "a certificate is issued without its lock",
    file: "src/issue/issue.ts",
    out: "  const lock = await store.lock(`certificate:${request.name}`, {",
    in: "  const lock = await store.lock(`certificate:${request.name}:${Math.random()}`, {",
    tests: ["test/issue/issue.test.ts", "test/issue/protect.test.ts"],
  },
  {
    name: "an order is not in the journal when it is proved",
    file: "src/issue/order.ts",
    out: "  await journal.begin(order, request, account.stored.id, made);\n",
    in: "  void made;\n",
    tests: ["test/issue/order.test.ts"],
  },
  {
    name: "the key is not in the journal when the order is finalized",
    file: "src/issue/finalize.ts",
    out: "  await journal.finalizing(key);\n",
    in: "",
    tests: ["test/issue/order.test.ts"],
    title: "on disk",
  },
  {
    name: "a challenge is not in the journal when it is presented",
    file: "src/issue/journal.ts",
    out: "      for (const challenge of challenges) receipts.set(challenge, undefined);\n      return write();",
    in: "      for (const challenge of challenges) receipts.set(challenge, undefined);\n      return Promise.resolve();",
    tests: ["test/issue/solve.test.ts", "test/issue/leftovers.test.ts"],
  },
  {
    name: "an answer leads a signed request to another host",
    file: "src/acme/transport/transport.ts",
    out: "      if (!allows(request.url)) throw foreign(options.redact(request.url), [...hosts]);\n",
    in: "",
    tests: ["test/acme/transport.test.ts"],
    title: "is not sent",
  },
];
