import { sep } from "node:path";
import { type Job, lineOf, wordsOf } from "./job.ts";
import { onCalendar, type Times } from "./times.ts";

export const unitName = "acmectl-renew";
/** Of the service that `acmectl run` is. */
export const runUnitName = "acmectl-run";

/** The first line of a unit that is ours to change and to remove. */
export const unitMark =
  "# Written by `acmectl schedule install`; `acmectl schedule remove` removes it.";

export interface UnitSettings {
  /** For root, by the system's systemd; else by the user's own, which is not allowed to confine anything. */
  readonly root: boolean;
  /** Folders that copies and web roots need beside those where services keep theirs. */
  readonly writable: readonly string[];
}

/** The timer unit. It also runs once after a boot that was too late for a run. */
export function timerUnit(times: Times): string {
  return `${unitMark}
[Unit]
Description=Renew TLS certificates with acmectl

[Timer]
OnCalendar=${onCalendar(times)}
AccuracySec=1s
RandomizedDelaySec=${Math.floor((times.every * 60) / 48)}s
Persistent=true

[Install]
WantedBy=timers.target
`;
}

export function serviceUnit(job: Job, times: Times, settings: UnitSettings): string {
  return `${unitMark}
[Unit]
Description=Renew TLS certificates with acmectl
Wants=network-online.target
After=network-online.target nss-lookup.target

[Service]
Type=oneshot
ExecStart=${execStart(job, wordsOf(job, times))}
${lastSettings(job, settings)}`;
}

/** The unit of `acmectl run`, as docs/run.md shows it. `listen`: places of its health checks. */
export function runUnit(job: Job, listen: readonly string[], settings: UnitSettings): string {
  const places = listen.flatMap((place) => ["--listen", place]);
  return `${unitMark}
[Unit]
Description=Issue and renew TLS certificates with acmectl
Wants=network-online.target
After=network-online.target nss-lookup.target

[Service]
Type=notify
NotifyAccess=all
ExecStart=${execStart(job, lineOf(job, ["run", ...places]))}
ExecReload=/bin/kill -HUP $MAINPID
WatchdogSec=5min
Restart=on-failure
RestartSec=10s
# A config that cannot be used does not get better by itself.
RestartPreventExitStatus=2
RuntimeDirectory=acmectl
${lastSettings(job, settings)}
[Install]
WantedBy=${settings.root ? "multi-user" : "default"}.target
`;
}

function execStart({ program: { node, nodeOptions } }: Job, words: readonly string[]): string {
  return [node, ...nodeOptions, ...words].map(quotedWord).join(" ");
}

function lastSettings(job: Job, settings: UnitSettings): string {
  const variables =
    job.environmentFile === undefined ? "" : `EnvironmentFile=${percent(job.environmentFile)}\n`;
  return `${variables}UMask=0077
# On a stop, acmectl itself cleans up its challenges and ends its hooks.
KillMode=mixed
TimeoutStopSec=90s
${settings.root ? confinement(job, settings) : unconfined}`;
}

const unconfined = `
# Not confined: in a user's systemd that implies NoNewPrivileges, and deploy hooks need sudo there to reload a server.
`;

/**
 * Everything here leaves deploy hooks working that talk to systemd or Docker by their sockets, send signals, write
 * configuration and logs, or change to another user.
 */
function confinement({ stateFolder }: Job, { writable }: UnitSettings): string {
  const shared = [stateFolder, ...writable].some(
    (path) => `${path}${sep}`.startsWith("/tmp/") || `${path}${sep}`.startsWith("/var/tmp/"),
  );
  const paths = [stateFolder, "/etc", "/run", "/srv", "/var", ...writable];
  return `
# The whole system is read-only but for the state, and where services keep configuration, certificates, logs and sockets,
# since deploy steps and hooks write there.
ProtectSystem=strict
ReadWritePaths=${[...new Set(paths)].map((path) => quoted(percent(`-${path}`))).join(" ")}
${shared ? "" : "PrivateTmp=true\n"}NoNewPrivileges=true
LockPersonality=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictRealtime=true
RestrictSUIDSGID=true
SystemCallArchitectures=native
# Left out on purpose: MemoryDenyWriteExecute (Node.js compiles at run time); CapabilityBoundingSet, SystemCallFilter and
# RestrictNamespaces (hooks change users, signal servers, enter containers); PrivateDevices (a secret may be in a TPM or on
# a smart card); ProtectHome (cloud credentials are in home folders, which strict makes read-only). Port 80 needs no
# AmbientCapabilities, since root has the right to it.
`;
}

/** A word of ExecStart, by systemd.service(5): in quotes, with C's escapes, specifiers and variables doubled. */
function quotedWord(word: string): string {
  return quoted(percent(word).replaceAll("$", "$$$$"));
}

function quoted(text: string): string {
  if (/^[\w@%+=:,./$-]+$/.test(text)) return text;
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

function percent(text: string): string {
  return text.replaceAll("%", "%%");
}
