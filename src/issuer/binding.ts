/** The external account binding of a new account: the user's, or one that the CA gives when it is asked. */
import type { ExternalAccountBinding } from "../acme/acme.ts";
import { caName, presetOf } from "../acme/presets.ts";
import { decodedTwice, readBinding } from "../acme/registration.ts";
import type { IssuerSetting } from "../certificate.ts";
import type { Context } from "../context.ts";
import { readSecret } from "../options/secret.ts";
import { Problem } from "../problem.ts";
import type { Store } from "../state/store.ts";

/** The binding of `--eab-kid` and `--eab-hmac`. */
export async function bindingOf(
  issuer: IssuerSetting,
  context: Context,
): Promise<ExternalAccountBinding | undefined> {
  const { eabKid: kid, eabHmac } = issuer;
  if (kid === undefined && eabHmac === undefined) return undefined;
  if (kid === undefined || eabHmac === undefined) {
    throw new Problem("usage", {
      detail: `An external account binding has a key id and an HMAC key; ${kid === undefined ? "the key id" : "the HMAC key"} is missing.`,
      hint: "Give both --eab-kid ID and --eab-hmac env:NAME (or file:/path); the CA's web site shows them.",
    });
  }
  const hmacKey = await secretOf("eabHmac", eabHmac, "The HMAC key", context);
  const binding = readBinding({ kid, hmacKey, algorithm: issuer.eabHmacAlg });
  context.mask(binding.hmacKey);
  return presetOf(issuer.server)?.encodesTwice === true ? decoded(binding, context) : binding;
}

function decoded(
  binding: ExternalAccountBinding,
  { mask, log }: Pick<Context, "mask" | "log">,
): ExternalAccountBinding {
  const hmacKey = decodedTwice(binding.hmacKey);
  if (hmacKey === undefined) return binding;
  mask(hmacKey);
  const text = "the HMAC key is base64-encoded twice, as gcloud prints it; it is decoded once more";
  log.warn(text, { step: "account" });
  return readBinding({ ...binding, hmacKey });
}

/**
 * ZeroSSL gives a binding for an API key, or for an email address. Before an account is registered the key is read at once, so
 * that one that is missing is reported before the CA is asked.
 */
export async function zerosslBinding(
  { server, email, zerosslApiKey, eabHmacAlg: algorithm }: IssuerSetting,
  { accounts }: Pick<Store, "accounts">,
  context: Context,
): Promise<(() => Promise<ExternalAccountBinding>) | undefined> {
  if (presetOf(server)?.name !== "zerossl") {
    refuseElsewhere(server, context);
    return undefined;
  }
  if (zerosslApiKey === undefined && email === undefined) return undefined;
  const readOwner = async () =>
    zerosslApiKey === undefined
      ? { email: email ?? "" }
      : {
          apiKey: await secretOf("zerosslApiKey", zerosslApiKey, "The API key of ZeroSSL", context),
        };
  const isRegistered = (await accounts.ofDirectory(server)).some(({ url }) => url !== undefined);
  const early = isRegistered ? undefined : await readOwner();
  return async () => {
    const owner = early ?? (await readOwner());
    const { fetchBinding } = await import("./zerossl.ts");
    return { ...(await fetchBinding(owner, context)), algorithm };
  };
}

/** A variable may be set for other requests of the same shell; a flag is meant for this one. */
function refuseElsewhere(server: string, context: Context): void {
  const source = context.sourceOf("zerosslApiKey");
  if (!source.startsWith("--")) return;
  throw new Problem("usage", {
    detail: `${source} was given, which is for ZeroSSL, and the CA of this request is ${caName(server)}.`,
    hint: `Add --server zerossl, or leave ${source} out.`,
  });
}

function secretOf(
  option: "eabHmac" | "zerosslApiKey",
  reference: string,
  otherwise: string,
  context: Context,
): Promise<string> {
  const { env, cwd, signal, mask } = context;
  const source = context.sourceOf(option);
  const named = source === "not given" ? otherwise : source;
  return readSecret(reference, { env, folder: cwd, mask, signal, named });
}
