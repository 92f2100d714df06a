/** How the declared options make up the file: which belong where, and what is below them. */
import {
  certificateOptions,
  defaultOptions,
  dnsOptions,
  issuerOptions,
  pullOptions,
  selectOptions,
  solverCommonOptions,
} from "./config.ts";
import type { OptionDeclarations } from "../options/declaration.ts";
import { channels, notifyOptions } from "../options/declared/notification.ts";
import { daneOptions } from "../options/declared/request.ts";
import {
  copyOptions,
  deployOptions,
  dockerOptions,
  fileOptions,
  hookOptions,
  kubernetesOptions,
  pkcs12Options,
  sshOptions,
  windowOptions,
} from "../options/declared/deployment.ts";

/** What a folder of the file may hold: options, and below some of them a shape of its own. */
export interface Shape {
  readonly options: OptionDeclarations;
  /** By option: the shape of its value. */
  readonly nested?: Readonly<Record<string, NestedShape>>;
  /** True: keys that are not declared here belong to the solver's plugin. */
  readonly open?: boolean;
}
export interface NestedShape extends Shape {
  /** True: a list of such values. */
  readonly list?: boolean;
  /** The option that a bare text, instead of a map, stands for. */
  readonly shorthand?: string;
  readonly oneOf?: readonly string[];
}

export type SectionName =
  | "issuers"
  | "solvers"
  | "certificates"
  | "defaults"
  | "dns"
  | "notify"
  | "pull";
interface Section {
  readonly description: string;
  /** True: it holds named entries of this shape. */
  readonly entries: boolean;
  readonly shape: Shape & Pick<NestedShape, "oneOf">;
}

const dns: NestedShape = { options: dnsOptions };
const hook: NestedShape = { options: hookOptions, list: true, shorthand: "run" };
const deploy: NestedShape = {
  options: deployOptions,
  nested: {
    copy: { options: copyOptions },
    pkcs12: { options: pkcs12Options },
    ssh: { options: sshOptions },
    docker: { options: dockerOptions, oneOf: ["signal", "restart", "exec"] },
    kubernetes: { options: kubernetesOptions },
  },
  list: true,
  shorthand: "run",
  oneOf: ["run", "copy", "pkcs12", "reload", "probe", "acme.sh", "ssh", "docker", "kubernetes"],
};
const windows: NestedShape = { options: windowOptions, list: true };
const hooks = { pre: hook, deploy, post: hook, failure: hook, windows, freeze: windows };

/** The sections of the file: those of one shape, and those that hold named entries of one. */
export const sections: Readonly<Record<SectionName, Section>> = {
  issuers: {
    description: "CAs with their accounts, by a name of your choice.",
    entries: true,
    shape: { options: issuerOptions },
  },
  solvers: {
    description:
      "Solvers that answer challenges, by a name of your choice: `use` names the plugin, the rest are its options.",
    entries: true,
    shape: {
      options: solverCommonOptions,
      nested: { select: { options: selectOptions }, dns },
      open: true,
    },
  },
  certificates: {
    description: "Certificates, by a name of your choice.",
    entries: true,
    shape: {
      options: certificateOptions,
      nested: { ...hooks, files: { options: fileOptions }, dns, dane: { options: daneOptions } },
    },
  },
  defaults: {
    description: "Defaults for all certificates.",
    entries: false,
    shape: { options: defaultOptions, nested: hooks },
  },
  dns: {
    description: "How acmectl checks dns-01 records before it asks the CA.",
    entries: false,
    shape: { options: dnsOptions },
  },
  notify: {
    description: "Where notifications go, by a name of your choice. Each entry has one channel.",
    entries: true,
    shape: {
      options: notifyOptions,
      nested: channels,
      oneOf: [...Object.keys(channels), "run"],
    },
  },
  pull: {
    description:
      "Certificates of a shared state that this host receives, by a name of your choice.",
    entries: true,
    shape: { options: pullOptions, nested: { deploy, windows } },
  },
};

export function isSection(key: string): key is SectionName {
  return Object.hasOwn(sections, key);
}

/** The sections as their declarations promise, as far as they are valid. */
export type Sections = Readonly<Record<SectionName | "state", Readonly<Record<string, unknown>>>>;
