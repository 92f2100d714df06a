/** All that a certificate's folder has of its versions and of refused certificates, for a copy. */
import { join } from "node:path";
import type { NewVersion, RefusedCertificate, WholeVersion } from "../store.ts";
import { entriesOf, readText } from "./files.ts";
import { hasStrings, readKey, readRecord, type Folder } from "./records.ts";
import { isMeta, numbersIn, secondFiles, versionFiles } from "./versions.ts";

/** The oldest first. One that was damaged is left out: `state check` tells about it. */
export async function wholeVersions(
  certificate: string,
  name: string,
  folder: Folder,
): Promise<readonly WholeVersion[]> {
  await folder.check();
  const versions = join(certificate, "versions");
  const numbers = (await numbersIn(versions)).toSorted((a, b) => a - b);
  const found: WholeVersion[] = [];
  for (const number of numbers) {
    const one = await wholeVersion(join(versions, `${number}`), number, { folder, what: name });
    if (one !== undefined) found.push(one);
  }
  return found;
}

async function wholeVersion(
  path: string,
  number: number,
  { folder, what }: { readonly folder: Folder; readonly what: string },
): Promise<WholeVersion | undefined> {
  const reading = { folder, what: `Version ${number} of the certificate ${what}` };
  const meta = await readRecord(join(path, versionFiles.meta), isMeta, reading);
  const first = meta && (await partOf(path, versionFiles, reading));
  if (meta === undefined || first === undefined) return undefined;
  const files = await entriesOf(path);
  const numbered = async (pattern: RegExp) => {
    const places = files.flatMap((file) => pattern.exec(file)?.[1] ?? []).map(Number);
    const texts = places
      .toSorted((a, b) => a - b)
      .map(async (place) => {
        const [file] = files.filter((one) => pattern.exec(one)?.[1] === `${place}`);
        return [place, (await readText(join(path, file ?? ""))) ?? ""] as const;
      });
    return Promise.all(texts);
  };
  const second = meta.second && (await partOf(path, secondFiles(meta.second.keyType), reading));
  return {
    number,
    meta,
    ...first,
    second,
    alternates: (await numbered(/^alternate-(\d+)\.pem$/)).map(([, pem]) => pem),
    added: Object.fromEntries(await numbered(/^optional-alternate-(\d+)\.pem$/)),
    properties: await readText(join(path, versionFiles.properties)),
  };
}

async function partOf(
  path: string,
  files: Readonly<Record<"privateKey" | "certificate" | "chain", string>>,
  reading: Parameters<typeof readKey>[1],
): Promise<Pick<NewVersion, "privateKey" | "certificate" | "chain"> | undefined> {
  const certificate = await readText(join(path, files.certificate));
  const chain = (await readText(join(path, files.chain))) ?? "";
  const privateKey = await readKey(join(path, files.privateKey), reading);
  return certificate === undefined ? undefined : { privateKey, certificate, chain };
}

export async function refusedIn(
  certificate: string,
  folder: Folder,
): Promise<readonly RefusedCertificate[]> {
  await folder.check();
  const refused = join(certificate, "refused");
  const numbers = (await numbersIn(refused)).toSorted((a, b) => a - b);
  const all = numbers.map(async (number) => {
    const path = join(refused, `${number}`);
    const reading = { folder, what: `Facts of a refused certificate` };
    const facts = await readRecord(join(path, "refusal.json"), isRefusal, reading);
    const pem = await readText(join(path, versionFiles.fullchain));
    const privateKey = await readText(join(path, versionFiles.privateKey));
    return facts === undefined || pem === undefined ? [] : [{ ...facts, pem, privateKey }];
  });
  return (await Promise.all(all)).flat();
}

type Facts = Omit<RefusedCertificate, "pem" | "privateKey">;

function isRefusal(value: unknown): value is Facts & Record<string, unknown> {
  return hasStrings(value, ["why", "directory", "orderUrl", "at"]);
}
