/** What is mutated, and the tests that are to notice it. */
export interface Group {
  readonly name: string;
  readonly sources: readonly string[];
  readonly tests: readonly string[];
}

export const groups: readonly Group[] = [
  {
    name: "acceptance",
    sources: [
      "src/acme/certificate/accept.ts",
      "src/acme/certificate/chain.ts",
      "src/acme/certificate/extensions.ts",
    ],
    tests: ["test/acme/certificate.test.ts", "test/acme/der.test.ts"],
  },
  {
    name: "transport",
    sources: ["src/acme/transport/*.ts"],
    tests: [
      "test/acme/transport.test.ts",
      "test/acme/library.test.ts",
      "test/acme/problems.test.ts",
      "test/acme/repeat.test.ts",
    ],
  },
  {
    name: "journal",
    sources: ["src/issue/journal.ts", "src/issue/leftovers.ts", "src/issue/unfinished.ts"],
    tests: [
      "test/issue/journal.test.ts",
      "test/issue/leftovers.test.ts",
      "test/issue/solve.test.ts",
    ],
  },
  {
    name: "order",
    sources: [
      "src/issue/order.ts",
      "src/issue/finalize.ts",
      "src/issue/back-off.ts",
      "src/issue/issue.ts",
    ],
    tests: [
      "test/issue/order.test.ts",
      "test/issue/issue.test.ts",
      "test/issue/hostile-ca.test.ts",
      "test/issue/protect.test.ts",
      "test/issue/second-key.test.ts",
    ],
  },
  {
    name: "store",
    sources: [
      "src/state/folder/versions.ts",
      "src/state/folder/files.ts",
      "src/state/folder/journal.ts",
    ],
    tests: [
      "test/state/journal.test.ts",
      "test/state/certificates.test.ts",
      "test/state/files.test.ts",
      "test/state/cases.test.ts",
    ],
  },
  {
    name: "locks",
    sources: ["src/state/folder/locks/*.ts"],
    tests: ["test/state/locks.test.ts", "test/state/cases.test.ts"],
  },
];
