/** aiosmtpd, a real SMTP server. */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { find } from "./catalog.ts";
import { freePort, startProcess, type RunningProcess } from "./process.ts";
import { makeTls } from "./tls.ts";

export interface SmtpServer extends RunningProcess {
  readonly rootFile: string;
  /** Requires STARTTLS, and the user `ops` with the password `correct horse`. */
  readonly starttls: number;
  readonly tls: number;
  readonly plain: number;
  /** Those that it has taken. */
  messages(): Promise<readonly ReceivedMail[]>;
}

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly content: string;
  readonly tls: boolean;
  readonly user: string | null;
}

export async function startSmtp(folder: string): Promise<SmtpServer> {
  const { rootFile } = await makeTls(folder);
  const script = fileURLToPath(new URL("../programs/smtp-server.py", import.meta.url));
  const [starttls, tls, plain] = [await freePort(), await freePort(), await freePort()];
  const running = await startProcess({
    program: join(dirname(find("aiosmtpd") ?? ""), "python3"),
    args: [script, folder, ...[starttls, tls, plain].map(String)],
    ready: (log) => log.includes("ready"),
  });
  const messages = async () => {
    const text = await readFile(join(folder, "messages"), "utf8").catch(() => "");
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line): ReceivedMail => JSON.parse(line));
  };
  return { ...running, rootFile, starttls, tls, plain, messages };
}
