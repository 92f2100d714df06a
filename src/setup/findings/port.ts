import { createServer } from "node:net";
import { codeOf } from "../../errors.ts";

export type PortState = "free" | "in use" | "not permitted";

/** Whether a server of acmectl's own could listen on the port. It listens for a moment and serves nothing. */
export async function stateOfPort(port: number): Promise<PortState> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error) => {
      resolve(codeOf(error) === "EADDRINUSE" ? "in use" : "not permitted");
    });
    server.listen(port, () => server.close(() => resolve("free")));
  });
}
