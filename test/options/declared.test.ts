import { describe, expect, test } from "vitest";
import { allCommands, commandSource } from "../../src/commands/definitions.ts";
import * as config from "../../src/config/config.ts";
import * as deployment from "../../src/options/declared/deployment.ts";
import { globalOptions } from "../../src/options/declared/global.ts";
import type { OptionDeclarations } from "../../src/options/declaration.ts";

const commands = await allCommands(commandSource());
const lists: Readonly<Record<string, OptionDeclarations>> = {
  ...config,
  ...deployment,
  globalOptions,
  ...Object.fromEntries(commands.map(({ name, options }) => [`acmectl ${name}`, options])),
};
const described = Object.entries(lists).flatMap(([list, options]) =>
  Object.entries(options).map(([name, { description }]) => [`${list}: ${name}`, description]),
);

describe("the help of an option", () => {
  test.each(described)("%s is one sentence of at most 15 words", (_, description = "") => {
    expect(description).toMatch(/^[A-Z].*\.$/u);
    expect(description.split(/\s+/u).length).toBeLessThanOrEqual(15);
  });
});

test("no option begins with --env-file, which Node.js reads anywhere in the line", () => {
  const names = Object.values(lists).flatMap((options) => Object.keys(options));
  expect(names.filter((name) => name.startsWith("envFile"))).toEqual([]);
});
