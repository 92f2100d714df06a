/** Where a state in S3 is: its URL, completed by the variables and the profile that AWS's tools read. */
import { Problem } from "../../problem.ts";
import type { StateTools } from "../tools.ts";

export interface BucketPlace {
  /** For messages; it has no secret in it. */
  readonly where: string;
  readonly bucket: string;
  /** Ends with a slash, or is empty. */
  readonly prefix: string;
  readonly region: string;
  /** What a key is appended to. */
  readonly base: string;
  readonly profile: string | undefined;
}

const parameters = ["endpoint", "region", "profile", "path-style"];

/** Rejects with a `usage` Problem for a URL that cannot be used. */
export async function placeOf(
  text: string,
  { env }: Pick<StateTools, "env">,
): Promise<BucketPlace> {
  const { bucket, path, given } = partsOf(text);
  const variable = (...names: readonly string[]) => names.map((name) => env[name]).find(Boolean);
  const profile = given.get("profile") ?? variable("AWS_PROFILE");
  const endpoint = endpointOf(
    given.get("endpoint") ?? variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
  );
  const region =
    given.get("region") ??
    variable("AWS_REGION", "AWS_DEFAULT_REGION") ??
    (await usualRegion(endpoint, profile));
  const usual = bucket.includes(".") || endpoint !== undefined ? "true" : "false";
  const isPathStyle = given.get("path-style") ?? usual;
  if (!["true", "false"].includes(isPathStyle)) throw unusable("path-style is not true or false");
  const base = baseOf(bucket, endpoint ?? awsEndpoint(region), isPathStyle === "true");
  const query = given.toString().replaceAll("%3A", ":").replaceAll("%2F", "/");
  const where = `s3://${[bucket, path].filter(Boolean).join("/")}${query && `?${query}`}`;
  return { where, bucket, prefix: path === "" ? "" : `${path}/`, region, base, profile };
}

function partsOf(text: string) {
  const url = URL.parse(text);
  if (url === null || url.hostname === "") throw unusable("it names no bucket");
  const { hostname: bucket, searchParams: given } = url;
  if (url.username !== "" || url.password !== "")
    throw unusable("it has a user or a password in it, and credentials are never part of it");
  if (url.port !== "") throw unusable("a port belongs to the endpoint");
  const unknown = [...given.keys()].find((name) => !parameters.includes(name));
  if (unknown !== undefined) throw unusable(`it has no parameter ${JSON.stringify(unknown)}`);
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket))
    throw unusable(`${JSON.stringify(bucket)} is not the name of a bucket`);
  const path = url.pathname.replaceAll(/^\/+|\/+$/g, "");
  if (path !== "" && !path.split("/").every((part) => /^[\w.-]*[\w-][\w.-]*$/.test(part)))
    throw unusable(
      "its prefix has other characters than letters, digits, dots, dashes and slashes",
    );
  return { bucket, path, given };
}

function endpointOf(text: string | undefined): URL | undefined {
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.search !== "")
    throw unusable(`its endpoint is not an https:// URL`);
  if (url.protocol === "http:" && !isLocal(url.hostname))
    throw unusable("its endpoint is not encrypted; http:// is allowed for this host alone");
  return url;
}

function isLocal(host: string): boolean {
  return /^(localhost|127\.[\d.]+|\[::1\])$/.test(host);
}

function awsEndpoint(region: string): URL {
  if (!/^[a-z0-9-]+$/.test(region)) throw unusable(`${JSON.stringify(region)} is not a region`);
  return new URL(`https://s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`);
}

function baseOf(bucket: string, endpoint: URL, isPathStyle: boolean): string {
  const { protocol, host, pathname } = endpoint;
  const path = pathname.replace(/\/+$/, "");
  return isPathStyle
    ? `${protocol}//${host}${path}/${bucket}/`
    : `${protocol}//${bucket}.${host}${path}/`;
}

/** Only what no variable says is looked up in files, and only for Amazon. */
async function usualRegion(endpoint: URL | undefined, profile = "default"): Promise<string> {
  if (endpoint !== undefined) return "us-east-1";
  const { loadSharedConfigFiles } = await import("@smithy/core/config");
  const { configFile, credentialsFile } = await loadSharedConfigFiles().catch(() => ({
    configFile: {},
    credentialsFile: {},
  }));
  const sections: readonly Readonly<
    Record<string, Readonly<Record<string, string | undefined>>>
  >[] = [credentialsFile, configFile];
  return sections.map((file) => file[profile]?.["region"]).find(Boolean) ?? "us-east-1";
}

function unusable(why: string): Problem {
  return new Problem("usage", {
    detail: `The URL of the state is not usable: ${why}.`,
    hint: "Write s3://BUCKET/PREFIX?region=REGION, or with another server s3://BUCKET/PREFIX?endpoint=https://HOST; credentials are read from AWS_ACCESS_KEY_ID, a profile or a role.",
  });
}
