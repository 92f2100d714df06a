/** AWS Signature Version 4, from the server's side. */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

export interface SignedRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** AWS's code and words for what is wrong with the signature; nothing when it is right. */
export function checkSignature(
  request: SignedRequest,
  secrets: Readonly<Record<string, string>>,
  service: string,
): { code: string; message: string } | undefined {
  const authorization = String(request.headers["authorization"] ?? "");
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([\w-]+)\/([\w-]+)\/aws4_request, SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})$/.exec(
      authorization,
    );
  if (parts === null)
    return { code: "MissingAuthenticationToken", message: "Missing Authentication Token" };
  const [, key = "", day = "", region = "", signedService = "", names = "", signature = ""] = parts;
  const secret = secrets[key];
  if (secret === undefined)
    return {
      code: "InvalidClientTokenId",
      message: "The security token included in the request is invalid.",
    };
  const canonical = canonicalRequest(request, names);
  const scope = `${day}/${region}/${signedService}/aws4_request`;
  const date = String(request.headers["x-amz-date"] ?? "");
  const toSign = ["AWS4-HMAC-SHA256", date, scope, sha256(canonical)].join("\n");
  const signingKey = [day, region, service, "aws4_request"].reduce<string | Buffer>(
    (last, part) => hmac(last, part),
    `AWS4${secret}`,
  );
  const expected = hmac(signingKey, toSign);
  if (timingSafeEqual(expected, Buffer.from(signature, "hex"))) return undefined;
  return {
    code: "SignatureDoesNotMatch",
    message: `The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this request should have been\n'${canonical}'\n\nThe String-to-Sign should have been\n'${toSign}'\n`,
  };
}

function canonicalRequest({ method, url, headers, body }: SignedRequest, names: string): string {
  const query = [...url.searchParams]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .toSorted()
    .join("&");
  const signed = names.split(";").map((name) => `${name}:${String(headers[name] ?? "").trim()}\n`);
  return [method, url.pathname, query, signed.join(""), names, sha256(body)].join("\n");
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
