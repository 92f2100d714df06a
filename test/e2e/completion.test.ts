import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { acmectl } from "../support/spawn.ts";
import { available } from "../support/servers/catalog.ts";
import { temporaryFolder } from "../support/state.ts";
import { openTerminal, type Shell } from "../support/terminal.ts";

const config = `certificates:
  shop: { domains: [shop.example.com] }
  shipping: { domains: [shipping.example.com] }
solvers:
  office: { use: webroot, directory: /srv/www }
`;

describe.skipIf(!available("shells"))("completion in a terminal", () => {
  test.each<Shell>(["bash", "zsh", "fish"])(
    "%s completes commands, choices, and names of certificates and solvers at Tab",
    async (shell) => {
      await using folder = await temporaryFolder();
      const file = join(folder.path, "config.yaml");
      await writeFile(file, config);
      const { stdout } = await acmectl(["completion", shell]).ended;
      const terminal = await openTerminal(shell, stdout, join(folder.path, "state"), file);
      const shows = (text: string | RegExp) =>
        expect.poll(async () => terminal.screen(), { timeout: 20_000 }).toMatch(text);
      try {
        await shows(/ready>/);
        await terminal.type("acmectl deplo", "Tab");
        await shows(/acmectl deploy/);
        await terminal.type(" sho", "Tab");
        await shows(/acmectl deploy +shop/);
        await terminal.type("C-u", "acmectl issue --key-type ec3", "Tab");
        await shows(/--key-type ec384/);
        await terminal.type("C-u", "acmectl issue --solver off", "Tab");
        await shows(/--solver office/);
        await terminal.type("C-u", "acmectl config get certificates.shop.k", "Tab");
        await shows(/certificates\.shop\.keyType/);
      } finally {
        await terminal.close();
      }
    },
  );
});
