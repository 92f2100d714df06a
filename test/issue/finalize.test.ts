import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readCsr } from "../../src/acme/certificate/csr.ts";
import { createPrivateKey, isSameKey, publicHalf } from "../../src/acme/keys.ts";
import type { CertificateRequest, KeyType, VersionMeta } from "../../src/certificate.ts";
import { prepareKey } from "../../src/issue/finalize.ts";
import type { StoredCertificate } from "../../src/state/store.ts";
import { temporaryFolder } from "../support/state.ts";
import {
  order as unfinished,
  problemOf,
  requestFor,
  temporaryStore,
  toolsOf,
  unexpected,
} from "./world.ts";

const name = "example.com";

describe("the key of a certificate", () => {
  const types: readonly KeyType[] = ["ec256", "ec384"];

  /** What is held, with a key of each type; the one of the second type is the second certificate's. */
  async function held({ revoked = "", second = false } = {}) {
    const [first = "", other = ""] = await Promise.all(types.map((type) => createPrivateKey(type)));
    const meta = unexpected<VersionMeta>("meta", {
      fingerprint: "f1",
      keyType: "ec256",
      second: second ? unexpected<VersionMeta>("second", { keyType: "ec384" }) : undefined,
    });
    const revocation = { fingerprint: "f1", reason: revoked, at: "2026-01-01T00:00:00Z" };
    const before = unexpected<StoredCertificate>("before", {
      held: { version: 1, meta },
      status: revoked === "" ? { failures: 0 } : { failures: 0, revoked: revocation },
    });
    const store = await temporaryStore();
    const certificates: typeof store.certificates = {
      ...store.certificates,
      readPrivateKey: async (_, type) => (type === "ec384" ? other : first),
      readNextKey: async () => next,
    };
    const next = await createPrivateKey("ec256");
    const tools = await toolsOf({ store: { ...store, certificates } });
    const prepare = async (more: Partial<CertificateRequest>, resumed?: typeof unfinished) => {
      const made = await prepareKey(requestFor([name], more), resumed, before, tools);
      const { publicKey } = readCsr(Buffer.from(made.csr, "base64"));
      if (made.privateKey !== undefined)
        expect(isSameKey(publicKey, publicHalf(made.privateKey))).toBe(true);
      return made.privateKey;
    };
    return { prepare, first, other, next };
  }

  test("is used again if the request says so, unless it was compromised or is of another type", async () => {
    const { prepare, first } = await held();
    expect(await prepare({ reuseKey: true })).toBe(first);
    expect(await prepare({ reuseKey: false })).not.toBe(first);
    expect(await prepare({ reuseKey: true, keyType: "ec384" })).not.toBe(first);
    const compromised = await held({ revoked: "keyCompromise" });
    expect(await compromised.prepare({ reuseKey: true })).not.toBe(compromised.first);
    const superseded = await held({ revoked: "superseded" });
    expect(await superseded.prepare({ reuseKey: true })).toBe(superseded.first);
    const both = await held({ second: true });
    expect(await both.prepare({ reuseKey: true, keyType: "ec384" })).toBe(both.other);
  });

  test("is the one announced ahead where DANE is asked for, and only there", async () => {
    const { prepare, next } = await held();
    const dane = unexpected<NonNullable<CertificateRequest["dane"]>>("dane");
    expect(await prepare({ dane })).toBe(next);
    expect(await prepare({})).not.toBe(next);
  });

  test("is that of the order that is resumed, if its CSR is there as well", async () => {
    const { prepare, first } = await held();
    const made = await prepareKey(
      requestFor([name]),
      undefined,
      undefined,
      await toolsOf({ store: await temporaryStore() }),
    );
    expect(await prepare({ reuseKey: true }, { ...unfinished, ...made })).toBe(made.privateKey);
    const halves = [{ csr: made.csr }, { privateKey: made.privateKey }];
    for (const half of halves)
      expect(await prepare({ reuseKey: true }, { ...unfinished, ...half })).toBe(first);
  });

  test("is read from the user's file each time, and refused if it was compromised or has another type", async () => {
    await using folder = await temporaryFolder();
    const { prepare, first } = await held({ revoked: "keyCompromise" });
    const privateKey = join(folder.path, "own.pem");
    await writeFile(privateKey, first);
    const refused = await problemOf(prepare({ privateKey }));
    expect(refused.message).toContain("was compromised");
    const another = await problemOf(prepare({ privateKey, keyType: "ec384" }));
    expect(another.message).toContain("is ec256 now, and ec384 was asked for");
    const own = await createPrivateKey("ec256");
    await writeFile(privateKey, own);
    expect(await prepare({ privateKey })).toBe(own);
    const sound = await held();
    await writeFile(privateKey, sound.first);
    expect(await sound.prepare({ privateKey })).toBe(sound.first);
  });
});
