import { writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { makeTls } from "./support/servers/tls.ts";
import { acmectl } from "./support/spawn.ts";
import { temporaryFolder } from "./support/state.ts";

test("services are not reached by unverified TLS, with NODE_TLS_REJECT_UNAUTHORIZED=0 too", async () => {
  await using folder = await temporaryFolder();
  const { certificatePem: cert, keyPem: key } = await makeTls(folder.path);
  let asked = 0;
  const server = createServer({ cert, key }, (_, response) => {
    asked += 1;
    response.end();
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const config = join(folder.path, "config.yaml");
  await writeFile(config, `notify:\n  it: { slack: "https://127.0.0.1:${port}/secret" }\n`);
  const env = { NODE_TLS_REJECT_UNAUTHORIZED: "0", ACMECTL_STATE: join(folder.path, "state") };
  const { code, stdout, stderr } = await acmectl(["notify", "test", "--config", config], { env })
    .ended;
  expect(code, stdout + stderr).not.toBe(0);
  expect(stdout + stderr).toMatch(/certificate/);
  expect(asked).toBe(0);
});
