/** Bounds the answers of the AWS SDK, which reads whatever comes into memory. */
import type { Route53 } from "@aws-sdk/client-route-53";
import type { STSClient } from "@aws-sdk/client-sts";
import { Readable, Transform, type TransformCallback } from "node:stream";
import { tooLong } from "acmectl/plugin/http";

/** Bytes. */
const mostBytes = 8 * 2 ** 20;

/** The same client, whose requests fail when an answer is longer than any of AWS's. */
export function bounded<C extends Route53 | STSClient>(client: C): C {
  const { requestHandler } = client.config;
  const handle = requestHandler.handle.bind(requestHandler);
  requestHandler.handle = async (...sent) => {
    const answer = await handle(...sent);
    const body: unknown = answer.response.body;
    if (body instanceof Readable) answer.response.body = limited(body);
    return answer;
  };
  return client;
}

function limited(body: Readable): Readable {
  let size = 0;
  const counter = new Transform({
    transform(chunk: Uint8Array, _encoding, done: TransformCallback) {
      size += chunk.length;
      if (size > mostBytes) done(tooLong(200));
      else done(null, chunk);
    },
  });
  counter.once("error", () => body.destroy());
  body.once("error", (error) => counter.destroy(error));
  return body.pipe(counter);
}
