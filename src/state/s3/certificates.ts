import { createHash } from "node:crypto";
import { isRecord } from "../../json.ts";
import { withoutAttempt } from "../folder/index/listing.ts";
import { openLocalFiles } from "../shared/local-files.ts";
import { heldParts } from "../shared/version.ts";
import { exactNames, isSelected, type Selection } from "../selection.ts";
import type { BrokenCertificate, ListOptions, Store, StoredCertificate } from "../store.ts";
import { changeIndexed, openIndex } from "./due-index.ts";
import { headOf, heads, partOf, readHead } from "./head.ts";
import type { Holding } from "./hosts.ts";
import { nextKeys } from "./next-keys.ts";
import { change, isAnything, readAll, type Listed, type Objects } from "./objects.ts";
import type { Shared } from "./shared.ts";
import { first, listedOf, storedOf } from "./stored.ts";
import {
  commitVersion,
  keepRefused,
  readVersion,
  refusedFolder,
  refusedOf,
  saveAlternate,
  versionsOf,
  wholeVersions,
} from "./versions.ts";

/** Certificates: an object for each, and one for each of its versions. */
export function openCertificates(shared: Holding): Store["certificates"] {
  const { objects } = shared;
  const version = (name: string) => readVersion(name, shared);
  const local = openLocalFiles({ ...shared, readVersion: version });
  const read = async (name: string) => {
    const [head, hosts] = await Promise.all([readHead(name, shared), shared.hosts.read()]);
    return storedOf(head, { name, hosts, objects });
  };
  const list: Store["certificates"]["list"] = (options = {}) => listed(shared, options);
  const names = async () => (await Array.fromAsync(list())).map(({ name }) => name);
  return {
    names,
    read,
    list,
    versions: (name) => wholeVersions(name, shared),
    refused: (name) => refusedOf(name, shared),
    ...openIndex(shared),
    ...quietNotes(shared),
    files: async (name, held) =>
      held === undefined ? local.write(await read(name)) : local.present(name, held),
    foreignFiles: async (name) => local.foreign(await read(name)),
    ...changes(shared),
    commit: (name, version, lock) => commitVersion(name, version, lock, shared),
    keepRefused: (name, refused) => keepRefused(name, refused, shared),
    saveAlternate: (name, version, place, pem) =>
      saveAlternate({ name, version, place, pem }, shared),
    ...heldParts(version),
    ...nextKeys(shared),
    async remove(name) {
      const parts = await partsOf(name, objects);
      if ((await readHead(name, shared)) !== undefined)
        await changeIndexed(name, shared, (head) => ({
          ...head,
          request: undefined,
          status: undefined,
          held: undefined,
          versions: undefined,
        }));
      await Promise.all(parts.map(({ key, etag }) => objects.remove(key, etag)));
      await shared.hosts.forgetAll(name);
      await local.remove(name);
    },
  };
}

/** Before the certificate's own object is changed: what another run makes from then on is not this one's to remove. */
async function partsOf(name: string, objects: Objects): Promise<readonly Listed[]> {
  const prefixes = [versionsOf(name), `next-keys/${partOf(name)}/`, refusedFolder(name)];
  const found = await Promise.all(prefixes.map((prefix) => Array.fromAsync(objects.pages(prefix))));
  return found.flat(2);
}

function changes(shared: Holding): Pick<Store["certificates"], "saveRequest" | "updateStatus"> {
  return {
    async saveRequest(request) {
      await changeIndexed(request.name, shared, (head) => ({ ...head, request }));
    },
    async updateStatus(name, turn) {
      const { status = first } = await changeIndexed(name, shared, (head) => ({
        ...head,
        status: turn(head.status ?? first),
      }));
      return status;
    },
  };
}

async function* listed(
  shared: Holding,
  { attempts = false, select = [{}] }: ListOptions,
): AsyncIterable<StoredCertificate | BrokenCertificate> {
  const { objects } = shared;
  const hosts = await shared.hosts.read();
  for await (const [key, found] of wanted(select, objects)) {
    const one = listedOf(key, found, { hosts, objects });
    if (one === undefined || !select.some((selection) => isSelected(selection, one))) continue;
    yield attempts || "problem" in one ? one : withoutAttempt(one);
  }
}

/** Those that are named are read alone. */
async function* wanted(select: readonly Selection[], objects: Objects) {
  const named = select.map(({ names }) => names && exactNames(names));
  if (named.includes(undefined)) {
    yield* readAll(objects, heads);
    return;
  }
  for (const name of new Set(named.flatMap((names) => names ?? []))) {
    const found = await objects.read(headOf(name));
    if (found !== undefined) yield [headOf(name), found] as const;
  }
}

/**
 * What a run concluded is kept with the list of all objects of certificates as it was, since one that changes has another
 * etag. A list costs a request for a thousand certificates, where reading them costs a thousand.
 */
function quietNotes({ objects }: Shared): Pick<Store["certificates"], "recall" | "note"> {
  let seen: string | undefined;
  return {
    async recall() {
      seen = await listHash(objects);
      const value = (await objects.read(quiet))?.value;
      return isRecord(value) && value["seen"] === seen ? value["conclusion"] : undefined;
    },
    async note(conclusion) {
      if (seen !== undefined && seen === (await listHash(objects)))
        await change(objects, quiet, isAnything, () => ({ seen, conclusion }));
    },
  };
}

const quiet = "quiet.json";

async function listHash(objects: Objects): Promise<string> {
  const hash = createHash("sha256");
  for await (const page of objects.pages(heads))
    for (const { key, etag } of page) hash.update(`${key} ${etag}\n`);
  return hash.digest("hex");
}
