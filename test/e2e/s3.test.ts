import { afterAll, beforeAll, describe, onTestFinished, test } from "vitest";
import { storeCases, type OpenState } from "../state/cases.ts";
import { openAt } from "../state/s3/state.ts";
import { available } from "../support/servers/catalog.ts";
import { startS3, type S3 } from "../support/servers/s3.ts";
import { temporaryFolder } from "../support/state.ts";

describe.skipIf(!available("versitygw"))("the store in S3", () => {
  let server: S3;
  beforeAll(async () => {
    server = await startS3();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const open: OpenState = async (clock) => {
    const url = server.url(await server.createBucket());
    const folder = await temporaryFolder("acmectl-files-");
    onTestFinished(() => folder[Symbol.asyncDispose]());
    const tools = { clock, files: folder.path, env: server.keys };
    const first = await openAt(url, tools);
    const stores = await Promise.all(Array.from({ length: 12 }, () => openAt(url, tools)));
    return () => stores.pop() ?? first;
  };
  describe("with conditional writes", () => {
    test.each(storeCases)("$name", ({ run }) => run(open));
  });
});
