import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { expect, it } from "vitest";
import { cloudflareToken, startCloudflareFake } from "../../test/support/fakes/cloudflare.ts";
import type { connect } from "./client.ts";

it("the bundled client is one small file that needs only Node and writes records at Cloudflare", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bundle-"));
  const fake = await startCloudflareFake();
  try {
    const file = join(folder, "client.mjs");
    const input = new URL("client.ts", import.meta.url).pathname;
    const bundle = await rolldown({ input, platform: "node" });
    await bundle.write({ file, format: "esm" });
    const text = await readFile(file, "utf8");
    expect(text.length).toBeLessThan(150_000);
    expect(text).not.toMatch(/^import .* from "(?!node:)/m);
    const built: { connect: typeof connect } = await import(file);
    const zoneId = fake.addZone("bundle.test");
    const api = built.connect({
      credentials: { apiToken: cloudflareToken },
      baseUrl: fake.url,
      accountId: undefined,
      send: fetch,
    });
    const { signal } = new AbortController();
    const name = "_acme-challenge.bundle.test";
    const id = await api.create(zoneId, { type: "TXT", name, value: "v", ttl: 60 }, signal);
    expect(await api.records(zoneId, name, "TXT", signal)).toEqual([{ id, name, content: '"v"' }]);
    await api.remove(zoneId, id, signal);
    expect(fake.values(name)).toEqual([]);
    await expect(api.remove(zoneId, id, signal)).rejects.toMatchObject({
      status: 404,
      errors: [{ code: 81_044 }],
    });
  } finally {
    await fake.close();
    await rm(folder, { recursive: true });
  }
});
