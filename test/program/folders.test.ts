import { expect, test } from "vitest";
import { defaultConfigFile, defaultStateFolder } from "../../src/program/context.ts";

const ops = (env: Record<string, string>) => ({ uid: 1000, env: { HOME: "/home/ops", ...env } });

test("the folders of root do not depend on HOME", () => {
  const root = { uid: 0, env: { HOME: "/root", XDG_STATE_HOME: "/tmp/state" } };
  expect(defaultStateFolder(root)).toBe("/var/lib/acmectl");
  expect(defaultConfigFile(root)).toBe("/etc/acmectl/config.yaml");
});

test("other users have the XDG folders, except where a variable is not an absolute path", () => {
  expect(defaultStateFolder(ops({}))).toBe("/home/ops/.local/state/acmectl");
  expect(defaultStateFolder(ops({ XDG_STATE_HOME: "/data" }))).toBe("/data/acmectl");
  expect(defaultStateFolder(ops({ XDG_STATE_HOME: "data" }))).toBe(
    "/home/ops/.local/state/acmectl",
  );
  expect(defaultConfigFile(ops({}))).toBe("/home/ops/.config/acmectl/config.yaml");
});

test("without a home the config is root's, and the error about the state names the option to give", () => {
  const user = { uid: 1000, env: { HOME: "" } };
  expect(() => defaultStateFolder(user)).toThrow(
    "acmectl has no default folder for its state: neither XDG_STATE_HOME nor HOME is set to an absolute path.",
  );
  expect(() => defaultStateFolder(user)).toThrow(
    expect.objectContaining({ hint: "Give --state, or set ACMECTL_STATE or HOME." }),
  );
  expect(defaultConfigFile(user)).toBe("/etc/acmectl/config.yaml");
});
