import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { openCredentials } from "../../../src/state/s3/credentials.ts";
import { placeOf } from "../../../src/state/s3/place.ts";
import { isStateUrl, withoutPassword } from "../../../src/state/url.ts";
import { temporaryFolder } from "../../support/state.ts";

const look = (url: string, env: Record<string, string> = { AWS_REGION: "eu-central-1" }) =>
  placeOf(url, { env });

/** The SDK reads the variables of the process. */
function withVariables(variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
}

test("a bucket of Amazon is addressed by its name in the host, one with dots in the path", async () => {
  expect(await look("s3://acmectl-state/prod/")).toEqual({
    where: "s3://acmectl-state/prod",
    bucket: "acmectl-state",
    prefix: "prod/",
    region: "eu-central-1",
    base: "https://acmectl-state.s3.eu-central-1.amazonaws.com/",
    profile: undefined,
  });
  expect(await look("s3://state.example.com?region=cn-north-1")).toMatchObject({
    prefix: "",
    base: "https://s3.cn-north-1.amazonaws.com.cn/state.example.com/",
  });
});

test("another server is named in the URL or in a variable", async () => {
  const url = "s3://state/a/b?endpoint=https://minio.example.com:9000/base/&region=local";
  expect(await look(url)).toMatchObject({
    where: url,
    region: "local",
    base: "https://minio.example.com:9000/base/state/",
  });
  expect(await look(`${url}&path-style=false`)).toMatchObject({
    base: "https://state.minio.example.com:9000/base/",
  });
  const variables = { AWS_ENDPOINT_URL: "https://a", AWS_ENDPOINT_URL_S3: "https://b" };
  expect(await look("s3://state", variables)).toMatchObject({
    base: "https://b/state/",
    region: "us-east-1",
  });
  expect((await look("s3://state?endpoint=http://127.0.0.1:9000")).base).toBe(
    "http://127.0.0.1:9000/state/",
  );
});

test("a URL that cannot be used is a Problem without its secrets", async () => {
  for (const url of [
    "s3:///prefix",
    "s3://key:secret@state",
    "s3://state:9000/x",
    "s3://State_1",
    "s3://state/a%20b",
    "s3://state?secret=1",
    "s3://state?path-style=maybe",
    "s3://state?region=a/b",
    "s3://state?endpoint=minio:9000",
    "s3://state?endpoint=http://minio.example.com",
  ]) {
    const problem: unknown = await look(url, {}).catch((error: unknown) => error);
    expect(problem, url).toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(/The URL of the state is not usable/),
    });
    expect(String(problem)).not.toContain("secret@");
  }
  expect(isStateUrl("s3://state")).toBe(true);
  expect(withoutPassword("s3://key:secret@state")).toBe("s3://key@state");
});

test("region and credentials come from the profile, and are masked", async () => {
  await using folder = await temporaryFolder();
  const [config, keys] = ["config", "credentials"].map((name) => join(folder.path, name));
  await writeFile(config ?? "", "[profile ops]\nregion = ap-south-1\n");
  await writeFile(
    keys ?? "",
    "[ops]\naws_access_key_id = AKID\naws_secret_access_key = of-the-profile\n",
  );
  withVariables({ AWS_CONFIG_FILE: config ?? "", AWS_SHARED_CREDENTIALS_FILE: keys ?? "" });
  const place = await look("s3://state?profile=ops", {});
  expect(place).toMatchObject({ region: "ap-south-1", profile: "ops" });
  const masked: string[] = [];
  const tools = { env: {}, mask: (secret: string) => void masked.push(secret) };
  const credentials = openCredentials(place, tools);
  expect(await credentials()).toMatchObject({ accessKeyId: "AKID" });
  expect(await credentials(true)).toMatchObject({ secretAccessKey: "of-the-profile" });
  expect(masked).toEqual(["of-the-profile", "of-the-profile"]);
});

test("variables are used before the SDK is loaded", async () => {
  const env = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_SESSION_TOKEN: "c" };
  const credentials = openCredentials(await look("s3://state", env), { env, mask: () => {} });
  expect(await credentials()).toEqual({
    accessKeyId: "a",
    secretAccessKey: "b",
    sessionToken: "c",
  });
});

test("without credentials the Problem says where they may come from", async () => {
  withVariables({
    AWS_CONFIG_FILE: "/nowhere",
    AWS_SHARED_CREDENTIALS_FILE: "/nowhere",
    AWS_EC2_METADATA_DISABLED: "true",
  });
  const credentials = openCredentials(await look("s3://state"), { env: {}, mask: () => {} });
  await expect(credentials()).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringMatching(/no usable AWS credentials/),
    hint: expect.stringMatching(/AWS_ACCESS_KEY_ID/),
  });
});
