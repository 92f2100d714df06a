import type { ServerResponse } from "node:http";
import type { Answer } from "./answer.ts";
import type { FaultAction } from "./faults.ts";
/** Writes an answer, whole, slowly, or only its beginning. */
export declare function send(
  response: ServerResponse,
  answer: Answer,
  { truncate, slowBody }: Pick<FaultAction, "truncate" | "slowBody">,
): Promise<void>;
