import { defineConfig, type OxlintOverride } from "oxlint";

/** The rooms of src, from the one that is entered first to the lowest. A room imports only from rooms below it. */
const rooms = [
  "program",
  "commands",
  "setup",
  "import",
  "schedule",
  "run",
  "renew",
  "pull",
  "check",
  "notify",
  "status",
  "issuer",
  "issue",
  "account",
  "request",
  "solvers",
  "deploy",
  "config",
  "state",
  "acme",
  "dns",
  "options",
];

/** Rooms that import no other room, with the rooms that may import them beside main.ts and testing.ts. */
const alone: Readonly<Record<string, readonly string[]>> = {
  output: ["program"],
  "test-ca": ["issuer", "commands"],
  plugin: ["run"],
  kubernetes: ["import", "deploy", "plugin"],
};

/** Packages that shape the code around them, with the rooms that may import them. */
const packages: Readonly<Record<string, readonly string[]>> = {
  commander: ["program"],
  chalk: ["output"],
  "@clack/prompts": ["setup"],
  conf: ["config"],
  "acme-client": ["acme"],
  undici: ["acme", "kubernetes"],
  nodemailer: ["notify"],
  tldts: ["acme"],
  pg: ["state"],
};

function wall(room: string, forbidden: readonly string[]): OxlintOverride {
  const foreign = Object.entries(packages).filter(([, homes]) => !homes.includes(room));
  return {
    files: [`src/${room}/**/*.ts`],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          paths: foreign.map(([name, homes]) => ({
            name,
            message: `Only src/${homes.join(" and src/")} imports ${name}.`,
          })),
          patterns: [
            {
              group: forbidden.flatMap((other) => [`**/${other}/*.ts`, `**/${other}/**/*.ts`]),
              message: `src/${room} imports only from rooms below it (docs/architecture.md).`,
            },
          ],
        },
      ],
    },
  };
}

export default defineConfig({
  plugins: ["typescript", "import", "unicorn", "node", "promise"],
  categories: { correctness: "error", suspicious: "error" },
  ignorePatterns: ["node_modules", "dist", "dist.new", "coverage", ".cache", "schema"],
  rules: {
    // tsgolint 7.0.2007 panics in this rule on the types of options.
    "typescript/no-generated-empty-object-type": "off",
    "typescript/no-floating-promises": "error",
    "typescript/no-misused-promises": "error",
    "typescript/no-explicit-any": "error",
    "import/no-cycle": ["error", { ignoreTypes: false }],
    "import/no-default-export": "error",
    "import/no-unassigned-import": "off",
    "no-console": "error",
    "no-await-in-loop": "off",
    "no-shadow": "off",
    "max-lines": ["error", { max: 250, skipBlankLines: true, skipComments: true }],
    "max-lines-per-function": ["error", { max: 50, skipBlankLines: true, skipComments: true }],
    complexity: ["error", { max: 12 }],
  },
  overrides: [
    {
      files: ["plugins/**/*.ts", "test/**", "**/*.config.ts"],
      rules: { "import/no-default-export": "off" },
    },
    {
      files: ["test/**", "**/*.test.ts"],
      rules: {
        "max-lines": "off",
        "max-lines-per-function": "off",
        "no-console": "off",
        complexity: "off",
        "typescript/no-unsafe-type-assertion": "off",
        "unicorn/consistent-function-scoping": "off",
        "unicorn/no-useless-spread": "off",
      },
    },
    {
      files: ["plugins/*/*.ts"],
      rules: {
        "no-restricted-imports": [
          "error",
          {
            patterns: [
              {
                group: ["**/src/**", "../*"],
                message:
                  "A plugin imports acmectl/plugin, acmectl/plugin/http, node:*, its own folder and its own packages.",
              },
            ],
          },
        ],
      },
    },
    ...rooms.map((room, index) =>
      wall(room, [
        ...rooms.slice(0, index),
        ...Object.keys(alone).filter((other) => !(alone[other] ?? []).includes(room)),
      ]),
    ),
    ...Object.keys(alone).map((room) =>
      wall(room, [
        ...rooms,
        ...Object.keys(alone).filter(
          (other) => other !== room && !(alone[other] ?? []).includes(room),
        ),
      ]),
    ),
  ],
});
