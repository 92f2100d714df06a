import { describe, expect, test } from "vitest";
import * as config from "../../src/config/config.ts";
import { registrationFlags } from "../../src/options/declared/account.ts";
import * as deployment from "../../src/options/declared/deployment.ts";
import { globalOptions } from "../../src/options/declared/global.ts";
import { importFlags } from "../../src/options/declared/import.ts";
import { passFlags } from "../../src/options/declared/pass.ts";
import { pipelineFlags } from "../../src/options/declared/pipeline.ts";
import { requestFlags } from "../../src/options/declared/request.ts";
import { monitorFlags } from "../../src/options/declared/status.ts";
import type { OptionDeclarations } from "../../src/options/declaration.ts";

const lists: Readonly<Record<string, OptionDeclarations>> = {
  ...config,
  ...deployment,
  registrationFlags,
  globalOptions,
  importFlags,
  passFlags,
  pipelineFlags,
  requestFlags,
  monitorFlags,
};
const described = Object.entries(lists).flatMap(([list, options]) =>
  Object.entries(options).map(([name, { description }]) => [`${list}.${name}`, description]),
);

describe("the help of an option", () => {
  test.each(described)("%s is one sentence of at most 15 words", (_, description = "") => {
    expect(description).toMatch(/^[A-Z].*\.$/u);
    expect(description.split(/\s+/u).length).toBeLessThanOrEqual(15);
  });
});
