import { quotedWord } from "../options/words.ts";
import { Problem } from "../problem.ts";
import type { Store, StoredCertificate } from "../state/store.ts";
import type { Pulled } from "./one.ts";
import type { PullTools } from "./tools.ts";

/** Certificates that were pulled once and are not selected now: reported once, their files stay. */
export async function leftHere(
  here: readonly StoredCertificate[],
  tools: PullTools,
): Promise<readonly Pulled[]> {
  const pulled = here.filter(({ status }) => status.pulled === true);
  return Promise.all(pulled.map((one) => leave(one, tools)));
}

async function leave({ name, held }: StoredCertificate, tools: PullTools): Promise<Pulled> {
  const { shared, local, wanted, context } = tools;
  const isThere = await isIn(shared, name);
  const why = isThere
    ? "is not selected by this host any more"
    : `is not in ${shared.where} any more`;
  const remove = `acmectl delete ${quotedWord(name)} --yes --state ${quotedWord(local.where)}`;
  const note = `${name} ${why}. Its files stay here; to remove them: ${remove}`;
  context.log.warn(note, { step: "pull" });
  await shared.hosts.forget(wanted.host, name).catch((error: unknown) => {
    if (!Problem.is(error)) throw error;
  });
  await local.certificates.updateStatus(name, (status) => ({ ...status, pulled: undefined }));
  const files = held && (await local.certificates.files(name, held));
  return { name, outcome: "left", held, files, steps: [], note };
}

async function isIn({ certificates }: Store, name: string): Promise<boolean> {
  try {
    return (await certificates.read(name)) !== undefined;
  } catch (error) {
    if (Problem.is(error)) return true;
    throw error;
  }
}
