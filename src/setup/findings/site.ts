import type { ReloadSetting } from "../../certificate.ts";

export type ServerKind = ReloadSetting["reload"];

/** A part of a server's configuration that has, or wants, one certificate. */
export interface Site {
  /** Empty where the configuration names none. */
  readonly names: readonly string[];
  /** The folder that it serves over plain HTTP. */
  readonly root?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  /** The configuration file that has it. */
  readonly file?: string | undefined;
}

export interface FoundServer {
  readonly kind: ServerKind;
  readonly sites: readonly Site[];
}

/** True if the site answers for the name, by the name itself or a wildcard of its configuration. */
export function serves({ names }: Site, name: string): boolean {
  return names.some((one) => one === name || (one.startsWith("*.") && isBelow(name, one.slice(1))));
}

function isBelow(name: string, suffix: string): boolean {
  return name.endsWith(suffix) && !name.slice(0, -suffix.length).includes(".");
}
