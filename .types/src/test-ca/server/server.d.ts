import type { IncomingMessage, ServerResponse } from "node:http";
import { type FaultScript } from "./faults.ts";
import { type RequestRecord } from "./records.ts";
import type { State } from "../state.ts";
/** Answers every request: the script of faults first, then the resource, then the script again. */
export declare function createListener(
  state: State,
  faults: FaultScript,
  records: RequestRecord[],
): (request: IncomingMessage, response: ServerResponse) => Promise<void>;
