import type { Stats } from "node:fs";
import { lstat, stat } from "node:fs/promises";
import { join } from "node:path";

import type { Log } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import { attempt, isMissing } from "./failures.ts";

/**
 * Answers a function that looks once: the folders that hold keys must belong to us or to root and nobody else may write to
 * them, for whoever can could read or swap the keys. A root that others may write to is only warned of (containers
 * mount such folders), since what we make in it is ours alone.
 */
export function ownershipCheck(root: string, log: Log): () => Promise<void> {
  let looked: Promise<void> | undefined;
  return async () => {
    looked ??= attempt("read", root, () => look(root, log));
    try {
      await looked;
    } catch (error) {
      looked = undefined;
      throw error;
    }
  };
}

const folders = ["accounts", "certificates", "pending", "locks", "solvers"];
const writableByOthers = 0o002;

async function look(root: string, log: Log): Promise<void> {
  const top = await statOf(stat, root);
  // Windows knows neither owner nor mode.
  if (top === undefined || process.geteuid === undefined) return;
  if ((top.mode & writableByOthers) !== 0) {
    log.warn(`Everybody may write to the state folder ${root}; run: chmod o-w ${root}`);
  }
  const us = process.geteuid();
  await Promise.all(folders.map((name) => judge(join(root, name), us)));
}

async function judge(path: string, us: number): Promise<void> {
  for (const found of [await statOf(lstat, path), await statOf(stat, path)]) {
    if (found === undefined) continue;
    const { uid, mode } = found;
    if (uid !== us && uid !== 0) {
      throw unsafe(path, `belongs to user id ${uid}; acmectl runs as user id ${us}`);
    }
    if (!found.isSymbolicLink() && (mode & writableByOthers) !== 0) {
      throw unsafe(path, "may be written to by everybody");
    }
  }
}

async function statOf(look: (path: string) => Promise<Stats>, path: string) {
  try {
    return await look(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function unsafe(path: string, why: string): Problem {
  return new Problem("machine", {
    detail: `The state folder cannot be trusted: ${path} ${why}. Others could read or replace the keys in it.`,
    hint: `Run acmectl as its owner, or after a look at what it holds: chown -R $(id -u) ${path} && chmod -R go-w ${path}`,
    retryable: false,
  });
}
