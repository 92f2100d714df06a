/** An acme-dns server's API with its rules: two values an account, the oldest pushed out, also by a repeated one. */
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { befall, faultScript, type Faults } from "./faults.ts";

export interface FakeAcmeDns extends AsyncDisposable {
  readonly url: string;
  /** Every request: `POST /update`, and what it was sent. */
  readonly requests: { readonly what: string; readonly body: string }[];
  readonly faults: Faults;
  /** The values at a full name; undefined when there is no such account. */
  values(fulldomain: string): readonly string[] | undefined;
  /** An account as an operator makes it. */
  register(allowfrom?: readonly string[]): RegisteredAccount;
}

export interface RegisteredAccount {
  readonly username: string;
  readonly password: string;
  readonly fulldomain: string;
  readonly subdomain: string;
  readonly allowfrom: readonly string[];
}

export interface FakeSettings {
  readonly domain?: string;
  readonly registration?: boolean;
  /** After every change, with all values of the name. */
  readonly onUpdate?: (fulldomain: string, values: readonly string[]) => void;
}

export async function startFakeAcmeDns(settings: FakeSettings = {}): Promise<FakeAcmeDns> {
  const { domain = "auth.example.org", registration = true, onUpdate } = settings;
  const accounts = new Map<string, { account: RegisteredAccount; slots: [string, string] }>();
  const requests: { what: string; body: string }[] = [];
  const faults = faultScript();
  const register = (allowfrom: readonly string[] = []): RegisteredAccount => {
    const subdomain = randomUUID();
    const account = {
      username: randomUUID(),
      password: randomBytes(30).toString("base64url"),
      fulldomain: `${subdomain}.${domain}`,
      subdomain,
      allowfrom,
    };
    accounts.set(subdomain, { account, slots: ["", ""] });
    return account;
  };
  const update = (request: IncomingMessage, body: string): readonly [number, unknown] => {
    const { subdomain, txt } = JSON.parse(body) as { subdomain: string; txt: string };
    const known = accounts.get(subdomain);
    const isTheirs =
      known !== undefined &&
      request.headers["x-api-user"] === known.account.username &&
      request.headers["x-api-key"] === known.account.password &&
      (known.account.allowfrom.length === 0 || known.account.allowfrom.includes("127.0.0.0/8"));
    if (!isTheirs) return [401, { error: "forbidden" }];
    if (txt.length !== 43) return [400, { error: "bad_txt" }];
    known.slots = [known.slots[1], txt];
    onUpdate?.(known.account.fulldomain, known.slots.filter(Boolean));
    return [200, { txt }];
  };
  const act = (request: IncomingMessage, body: string): readonly [number, unknown] => {
    const what = `${request.method} ${request.url}`;
    if (what === "GET /health") return [200, undefined];
    if (what === "POST /update") return update(request, body);
    if (what !== "POST /register" || !registration) return [404, undefined];
    const { allowfrom = [] } =
      body === "" ? {} : (JSON.parse(body) as { allowfrom?: readonly string[] });
    return allowfrom.every(isNetwork)
      ? [201, register(allowfrom)]
      : [400, { error: "invalid_allowfrom_cidr" }];
  };
  const answer = (request: IncomingMessage, response: ServerResponse, body: string) => {
    const what = `${request.method} ${request.url}`;
    requests.push({ what, body });
    const fault = faults.take(what);
    if (fault !== undefined) return befall(fault, response, () => act(request, body));
    const [status, json] = act(request, body);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(json === undefined ? "" : JSON.stringify(json));
  };
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => answer(request, response, body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    faults,
    register,
    values: (fulldomain) => accounts.get(fulldomain.split(".")[0] ?? "")?.slots.filter(Boolean),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function isNetwork(text: string): boolean {
  return /^[0-9a-f.:]+\/\d+$/.test(text);
}
