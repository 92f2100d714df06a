import type { Socket } from "node:net";
import type { ProbeSetting } from "../../certificate.ts";
import { firstWords } from "../../shorten.ts";

type Protocol = NonNullable<ProbeSetting["starttls"]>;

/** What is said in plain text until the server is ready for TLS: first it speaks, then we ask and it answers, in turns. */
const dialogues: Readonly<Record<Protocol, readonly Turn[]>> = {
  smtp: [
    { answer: /^220 [^\n]*\n/mu },
    { ask: "EHLO probe.invalid", answer: /^250 [^\n]*\n/mu },
    { ask: "STARTTLS", answer: /^220 [^\n]*\n/mu },
  ],
  imap: [{ answer: /^\* OK[^\n]*\n/mu }, { ask: "a1 STARTTLS", answer: /^a1 OK[^\n]*\n/mu }],
  pop3: [{ answer: /^\+OK[^\n]*\n/mu }, { ask: "STLS", answer: /^\+OK[^\n]*\n/mu }],
};

interface Turn {
  readonly ask?: string;
  /** Whole lines, since what comes after the last one is TLS. */
  readonly answer: RegExp;
}

/** Lead a connection to where TLS begins. Rejects when the server says something else, hangs up, or takes too long. */
export async function startTls(
  socket: Socket,
  protocol: Protocol,
  signal: AbortSignal,
): Promise<void> {
  for (const { ask, answer } of dialogues[protocol]) {
    if (ask !== undefined) socket.write(`${ask}\r\n`);
    await answered(socket, answer, signal);
  }
}

const longest = 16_384;

async function answered(socket: Socket, expected: RegExp, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let said = "";
  const hear = (chunk: Buffer) => {
    said += chunk.toString("latin1");
    if (expected.test(said)) resolve();
    else if (isRefusal(said) || said.length > longest)
      reject(new Error(`the server said ${shown(said)}`));
  };
  const hangUp = () => reject(new Error("the server closed the connection before TLS began"));
  const abort = () => reject(new Error("no answer in time"));
  if (socket.destroyed || socket.readableEnded) hangUp();
  socket.on("data", hear).on("error", reject).on("close", hangUp);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await promise;
  } finally {
    socket.off("data", hear).off("error", reject).off("close", hangUp);
    signal.removeEventListener("abort", abort);
  }
}

/** `554 …` of SMTP, `-ERR …` of POP3, `a1 NO …` and `a1 BAD …` of IMAP, as a whole line. */
function isRefusal(said: string): boolean {
  return /^([45]\d\d |-ERR|a1 (NO|BAD)|\* BYE)[^\n]*\n/mu.test(said);
}

function shown(said: string): string {
  return JSON.stringify(firstWords(said.replaceAll(/\p{Cc}/gu, " ").trim(), 200));
}
