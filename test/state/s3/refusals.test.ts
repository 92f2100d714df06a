/** What servers refuse, from a server of the test that answers with S3's codes. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { openAt } from "../shared/state.ts";

type Respond = (request: IncomingMessage, response: ServerResponse) => void;

async function storeAt(respond: Respond) {
  const server = createServer((request, response) => {
    request.resume().on("end", () => respond(request, response));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const env = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" };
  return openAt(`s3://state/prod?endpoint=http://127.0.0.1:${port}`, { env });
}

function refuse(response: ServerResponse, status: number, code: string, more = ""): void {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(`<Error><Code>${code}</Code><Message>Why &amp; so.</Message>${more}</Error>`);
}

const refusals: readonly [status: number, code: string, message: RegExp, hint: RegExp][] = [
  [404, "NoSuchBucket", /has no bucket state/, /aws s3 mb s3:\/\/state/],
  [403, "AccessDenied", /may not s3:GetObject on state\/prod\/format.json: Why & so/, /policy/],
  [403, "InvalidAccessKeyId", /does not know the access key/, /AWS_SESSION_TOKEN/],
  [403, "SignatureDoesNotMatch", /does not accept the signature/, /secret access key/],
  [403, "RequestTimeTooSkewed", /the clock of this host shows/, /chrony/],
  [501, "NotImplemented", /does not implement what acmectl needs/, /conditional writes/],
  [418, "Teapot", /answers s3:GetObject with Teapot \(HTTP 418\): Why & so/, /endpoint/],
];

test.each(refusals)("HTTP %i with %s is explained", async (status, code, message, hint) => {
  const store = await storeAt((_, response) => refuse(response, status, code));
  await expect(store.certificates.names()).rejects.toMatchObject({
    exitCode: 3,
    message: expect.stringMatching(message),
    hint: expect.stringMatching(hint),
  });
});

test.each([
  [301, "PermanentRedirect"],
  [400, "AuthorizationHeaderMalformed"],
])("HTTP %i with %s names the region of the bucket", async (status, code) => {
  const store = await storeAt((_, response) =>
    refuse(response, status, code, "<Region>eu-west-1</Region>"),
  );
  await expect(store.certificates.names()).rejects.toMatchObject({
    message: expect.stringMatching(/is in the region eu-west-1, not in us-east-1/),
    hint: expect.stringMatching(/region=eu-west-1/),
  });
});

test("an answer of 503 is asked again", async () => {
  let count = 0;
  const store = await storeAt((request, response) => {
    count += 1;
    if (count < 3) return refuse(response, 503, "SlowDown");
    if (request.url?.includes("list-type=2") === true)
      return response.writeHead(200).end("<ListBucketResult></ListBucketResult>");
    return refuse(response, 404, "NoSuchKey");
  });
  expect(await store.certificates.names()).toEqual([]);
  expect(count).toBeGreaterThan(3);
});

test("session credentials that have expired are found anew, once", async () => {
  let count = 0;
  const store = await storeAt((_, response) => {
    count += 1;
    refuse(response, 400, "ExpiredToken");
  });
  await expect(store.certificates.names()).rejects.toMatchObject({
    message: expect.stringMatching(/session of these credentials has expired/),
  });
  expect(count).toBe(2);
});

/** A store that keeps objects and compares what `conditions` names. */
function keeping(conditions: readonly string[]): Respond {
  const objects = new Map<string, string>();
  let writes = 0;
  return (request, response) => {
    const key = request.url ?? "";
    const etag = objects.get(key);
    const compare = (name: string) => conditions.includes(name) && request.headers[name];
    if (request.method === "GET") {
      if (etag === undefined) return refuse(response, 404, "NoSuchKey");
      return response
        .writeHead(200, { etag })
        .end('{"revisions":["x"],"value":{"format":1,"name":"shop"}}');
    }
    const none = compare("if-none-match");
    const match = compare("if-match");
    if ((none === "*" && etag !== undefined) || (match && match !== etag))
      return refuse(response, 412, "PreconditionFailed");
    if (request.method === "DELETE") objects.delete(key);
    else objects.set(key, `"${++writes}"`);
    return response.writeHead(200, { etag: objects.get(key) ?? "" }).end();
  };
}

test.each([
  [["if-match"], /ignores the condition of a write \(If-None-Match\)/],
  [["if-none-match"], /ignores the condition of a write \(If-Match\)/],
  [[], /ignores the condition of a write/],
])(
  "a store that compares only %j is refused, by init and by the first write",
  async (only, message) => {
    const problem = {
      exitCode: 3,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(/conditional writes/),
    };
    const store = await storeAt(keeping(only));
    await expect(store.init()).rejects.toMatchObject(problem);
    expect(await store.exists()).toBe(false);
    await expect(store.journal.write({ ...order, name: "shop" })).rejects.toMatchObject(problem);
  },
);

test("a store that compares both is begun, and a second init changes nothing", async () => {
  const store = await storeAt(keeping(["if-match", "if-none-match"]));
  const { done, grants } = await store.init();
  expect(done).toEqual(["the state"]);
  expect(grants.join("\n")).toContain('"Resource": "arn:aws:s3:::state/prod/*"');
  expect((await store.init()).done).toEqual([]);
  await store.checkWritable();
  expect(await store.exists()).toBe(true);
});

test("a state of a newer release, and an object that is none, are refused", async () => {
  for (const [value, message] of [
    ['{"format":9}', /made by a newer acmectl \(format 9/],
    ["[]", /format.json in .* is not that of a state/],
  ] as const) {
    const store = await storeAt((_, response) =>
      response.writeHead(200, { etag: '"1"' }).end(`{"revisions":[],"value":${value}}`),
    );
    await expect(store.certificates.names()).rejects.toMatchObject({
      message: expect.stringMatching(message),
    });
  }
});

const order = {
  directory: "https://acme.example.org/directory",
  accountId: "thumb",
  requestHash: "x",
  startedAt: "2026-03-01T00:00:00.000Z",
  presented: [],
};

test("a next key is removed as long as it is the one that was read, where the server can compare", async () => {
  const removed: (string | undefined)[] = [];
  const store = await storeAt((request, response) => {
    const condition = request.headers["if-match"];
    if (request.method === "DELETE") removed.push(condition);
    if (request.method === "DELETE" && condition !== undefined)
      return refuse(response, 501, "NotImplemented");
    response.setHeader("etag", '"1"').end(`{"revisions":[],"value":{"format":1}}`);
  });
  await store.certificates.saveNextKey("shop", "ec256", undefined);
  expect(removed).toEqual(['"1"', undefined]);
});

test("what another run commits while a certificate is removed stays", async () => {
  let isRemoved = false;
  const deleted: string[] = [];
  const listed = (key: string) => `<Contents><Key>prod/${key}</Key><ETag>"1"</ETag></Contents>`;
  const [old, late] = ["versions/shop/000001-a.json", "versions/shop/000002-b.json"];
  const store = await storeAt((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://localhost");
    const isHead = pathname.endsWith("/certificates/shop.json");
    if (isHead && request.method === "PUT") isRemoved = true;
    if (request.method === "DELETE") deleted.push(pathname.replace("/state/prod/", ""));
    const keys = isRemoved ? listed(old) + listed(late) : listed(old);
    const isVersions = searchParams.get("prefix") === "prod/versions/shop/";
    const list = `<ListBucketResult>${isVersions ? keys : ""}</ListBucketResult>`;
    const value = isHead ? { name: "shop", request: {} } : { format: 1 };
    const object = JSON.stringify({ revisions: [], value });
    response.setHeader("etag", '"1"').end(searchParams.has("list-type") ? list : object);
  });
  await store.certificates.remove("shop");
  expect([isRemoved, deleted]).toEqual([true, [old]]);
});
