import { readdir, readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { sabotages } from "./mutate/sabotages.ts";

const page = (name: string) => readFile(new URL(`../${name}`, import.meta.url), "utf8");

describe("SECURITY.md", async () => {
  const section = (await page("SECURITY.md")).split(/^## /m).find((one) => one.startsWith("Who"));
  const promises = [...(section ?? "").matchAll(/^- (.+)\n((?: {2}- .+\n)*)/gm)];

  test.each(promises.map(([, promise, shown = ""]) => [promise, shown]))(
    "names a test that exists for: %s",
    async (_, shown = "") => {
      const tests = [...shown.matchAll(/- `([^`]+)`: (.+)\n/g)];
      expect(tests.length).toBeGreaterThan(0);
      for (const [, file = "", title = ""] of tests)
        expect((await page(file)).includes(title), `${file}: ${title}`).toBe(true);
    },
  );

  test("has more than twenty promises", () => {
    expect(promises.length).toBeGreaterThan(20);
  });
});

/** Cases of every shared state, which the suites of PostgreSQL and S3 run in the group "leases" and beside it. */
const shared = "test/state/shared/cases.ts";

test.each(sabotages)("the code has once what a sabotage takes out: $name", async (sabotage) => {
  const { file, out, tests, title = "" } = sabotage;
  expect((await page(file)).split(out).length - 1, file).toBe(1);
  const files = await Promise.all([...tests, shared].map(filesOf));
  const text = (await Promise.all(files.flat().map(page))).join("\n");
  for (const part of title.split("|"))
    expect(text.includes(part.replace(/^leases /, "")), part).toBe(true);
});

/** Of a folder, those in it. */
async function filesOf(path: string): Promise<readonly string[]> {
  if (path.endsWith(".ts")) return [path];
  const names = await readdir(new URL(`../${path}`, import.meta.url));
  return names.filter((name) => name.endsWith(".ts")).map((name) => `${path}/${name}`);
}

test("every package is pinned to one version, and locked with the hash of its content", async () => {
  const { devDependencies, ...manifest } = JSON.parse(await page("package.json"));
  expect(manifest.dependencies).toBeUndefined();
  for (const [name, version] of Object.entries(devDependencies))
    expect({ name, version }).toEqual({
      name,
      version: expect.stringMatching(/^\d+\.\d+\.\d+(-[\w.]+)?$/),
    });
  const { packages } = JSON.parse(await page("package-lock.json"));
  const locked = Object.entries<Record<string, unknown>>(packages).filter(([path]) => path !== "");
  expect(locked.length).toBeGreaterThan(100);
  for (const [path, { integrity, version }] of locked)
    expect({ path, version, integrity }).toMatchObject({
      integrity: expect.stringMatching(/^sha512-/),
    });
});
