import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "./catalog.ts";
import { openDoor } from "./door.ts";
import { freePort, startProcess, withFreePort } from "./process.ts";
import { makeAuthority, type RunningCa } from "./step-ca.ts";

/** Start acme2certifier with its openssl handler; `dnsServer` is `ADDRESS:PORT`. */
export async function startAcme2Certifier(settings: {
  dnsServer: string;
  eab?: Readonly<Record<string, string>>;
}): Promise<RunningCa> {
  const folder = await mkdtemp(join(tmpdir(), "acme2certifier-"));
  await makeAuthority(folder);
  await mkdir(join(folder, "issued"));
  await writeFile(join(folder, "server.py"), launcher);
  await writeFile(join(folder, "acme_srv.cfg"), configOf(folder, settings.eab !== undefined));
  await writeFile(join(folder, "keys.json"), JSON.stringify(settings.eab ?? {}));
  const [httpPort, tlsPort] = [await freePort(), await freePort()];
  const dnsPort = settings.dnsServer.split(":").at(-1) ?? "53";
  const started = await withFreePort(async (port) => {
    const running = await startProcess({
      program: join(cacheFolder, "acme2certifier", "bin", "python"),
      args: [join(folder, "server.py"), ...[port, httpPort, tlsPort, dnsPort].map(String)],
      cwd: folder,
      env: { ACME_SRV_CONFIGFILE: join(folder, "acme_srv.cfg"), ACME2CERTIFIER_BASE_DIR: folder },
      ready: async () => (await fetch(`http://127.0.0.1:${port}/directory`)).status === 200,
    });
    return { running, port };
  });
  const door = await openDoor(`http://127.0.0.1:${started.port}`, folder);
  return {
    directoryUrl: `https://127.0.0.1:${door.port}/directory`,
    rootFile: door.rootFile,
    httpPort,
    tlsPort,
    log: started.running.log,
    async close() {
      await door.close();
      await started.running.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The server itself, on a port of ours; ports that validation takes for granted are those of the test. */
const launcher = `
import socket, sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server
import dns.resolver

port, http_port, tls_port, dns_port = map(int, sys.argv[1:])
moved = {80: http_port, 443: tls_port}
connect = socket.socket.connect

def connect_there(self, address):
    if isinstance(address, tuple) and address[1] in moved:
        address = (address[0], moved[address[1]], *address[2:])
    return connect(self, address)

socket.socket.connect = connect_there
reset = dns.resolver.BaseResolver.reset

def reset_there(self):
    reset(self)
    self.port = dns_port

dns.resolver.BaseResolver.reset = reset_there

from acme2certifier.share.acme2certifier_wsgi import application

class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

make_server("127.0.0.1", port, application, server_class=Server).serve_forever()
`;

function configOf(folder: string, bound: boolean): string {
  const eab = `
[EABhandler]
eab_handler_module: acme2certifier.eabhandlers.json_handler
key_file: ${join(folder, "keys.json")}
`;
  return `[DEFAULT]
debug: False
[CAhandler]
handler_module: acme2certifier.cahandlers.openssl_ca_handler
issuing_ca_key: ${join(folder, "intermediate.key")}
issuing_ca_cert: ${join(folder, "intermediate.pem")}
issuing_ca_crl: ${join(folder, "crl.pem")}
ca_cert_chain_list: ["${join(folder, "root.pem")}"]
cert_save_path: ${join(folder, "issued")}
cert_validity_days: 30
blocked_domainlist: ["blocked.example.test$"]
[DBhandler]
handler_module: acme2certifier.dbhandlers.wsgi_handler
dbfile: ${join(folder, "acme_srv.db")}
[Challenge]
dns_server_list: ["127.0.0.1"]
[Order]
expiry_check_disable: False
[Directory]
supress_version: True
${bound ? eab : ""}`;
}
