/** Credentials as the AWS SDK finds them: variables, profiles, the roles of a container or an instance. */
import { messageOf } from "../../errors.ts";
import { Problem } from "../../problem.ts";
import type { StateTools } from "../tools.ts";
import type { BucketPlace } from "./place.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  readonly expiration?: Date | undefined;
}

/** Answers them from memory until they are about to expire, or were found to have. */
export function openCredentials(
  place: Pick<BucketPlace, "profile" | "where">,
  tools: Pick<StateTools, "env" | "mask">,
): (isExpired?: boolean) => Promise<Credentials> {
  let known: Promise<Credentials> | undefined;
  const find = async () => {
    const found = await findCredentials(place, tools);
    for (const secret of [found.secretAccessKey, found.sessionToken])
      if (secret !== undefined) tools.mask(secret);
    return found;
  };
  return async (isExpired = false) => {
    if (isExpired) known = undefined;
    const found = await (known ??= find());
    if (Number(found.expiration ?? Infinity) - Date.now() > spare) return found;
    return (known = find());
  };
}

/** Milliseconds before their end from which new ones are fetched. */
const spare = 60_000;

async function findCredentials(
  { profile, where }: Pick<BucketPlace, "profile" | "where">,
  { env }: Pick<StateTools, "env">,
): Promise<Credentials> {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  // The SDK takes a tenth of a second to load, and would find these first.
  if (accessKeyId && secretAccessKey && profile === undefined)
    return { accessKeyId, secretAccessKey, sessionToken: env["AWS_SESSION_TOKEN"] || undefined };
  const { defaultProvider } = await import("@aws-sdk/credential-provider-node");
  try {
    return await defaultProvider(profile === undefined ? {} : { profile })();
  } catch (error) {
    throw new Problem("config", {
      title: "No AWS credentials",
      detail: `Cannot use the state in ${where}: no usable AWS credentials were found${profile === undefined ? "" : ` in the profile ${profile}`}. The AWS SDK says: ${messageOf(error)}`,
      hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where a role is attached. Under sudo, cron and systemd the variables and the home folder of your shell are absent.",
      cause: error,
    });
  }
}
