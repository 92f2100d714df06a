import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DnsSettings } from "../../src/dns/dns.ts";
import { openDns } from "../../src/dns/dns.ts";
import { startBind } from "../support/servers/bind.ts";
import type { Bind } from "../support/servers/bind.ts";
import { available } from "../support/servers/catalog.ts";
import { loopbackAddress } from "../support/servers/nameserver.ts";

const ready = available("bind") && (await loopbackAddress("127.0.0.2"));
const key = {
  name: "acme-sha256",
  algorithm: "hmac-sha256",
  secret: "c2l4dGVlbiBieXRlcyBhdCBsZWFzdCwgcGxlYXNlIQ==",
};
const value = "Zm9ydHktdGhyZWUgY2hhcmFjdGVycyBvZiBiYXNlNjQ";
const name = "_acme-challenge.example.test";
const { signal } = new AbortController();

describe.skipIf(!ready)("the DNS engine against BIND with a secondary on 127.0.0.2", () => {
  let primary: Bind;
  let secondary: Bind;

  beforeAll(async () => {
    const nameservers = ["ns1.example.test.", "ns2.example.test."];
    const glue = ["ns1 IN A 127.0.0.1", "ns2 IN A 127.0.0.2"];
    primary = await startBind({
      keys: [key],
      zones: [
        {
          name: "example.test",
          nameservers,
          records: [
            ...glue,
            "_acme-challenge.www IN CNAME www.acme.example.test.",
            "acme IN NS ns1.acme",
            "ns1.acme IN A 127.0.0.1",
            "_acme-challenge.loop IN CNAME _acme-challenge.loop2",
            "_acme-challenge.loop2 IN CNAME _acme-challenge.loop",
            "old IN DNAME acme.example.test.",
          ],
        },
        { name: "acme.example.test" },
      ],
    });
    secondary = await startBind({
      address: "127.0.0.2",
      port: primary.port,
      zones: [{ name: "example.test", secondaryOf: primary }],
    });
  });
  afterAll(async () => {
    await secondary?.close();
    await primary?.close();
  });

  const dns = (more: Partial<DnsSettings> = {}) =>
    openDns({
      resolvers: [primary.server],
      authoritative: true,
      authoritativePort: primary.port,
      recursive: false,
      queryTimeout: 1000,
      ...more,
    });

  test("reports a value as visible only after the secondary has it", async () => {
    const change = ["zone example.test", `update add ${name} 60 TXT "${value}"`];
    expect(await primary.update(change, key)).toMatchObject({ code: 0 });
    const early = await dns().lookForTxt(name, value, signal);
    expect(early.verdict).toBe("missing");
    expect(early.answers.map(({ server, state }) => [server, state])).toEqual([
      [`ns1.example.test (127.0.0.1:${primary.port})`, "shows"],
      [`ns2.example.test (127.0.0.2:${primary.port})`, "missing"],
    ]);
    await primary.notify(secondary, "example.test");
    await expect
      .poll(async () => (await dns().lookForTxt(name, value, signal)).verdict, { timeout: 10_000 })
      .toBe("everywhere");
  });

  test("finds the child zone that a CNAME leads to, and queries its name servers", async () => {
    const { name: end } = await dns().follow("_acme-challenge.www.example.test", signal);
    expect(end).toBe("www.acme.example.test");
    expect(await dns().findZone(end, signal)).toEqual({
      name: "acme.example.test",
      nameservers: ["ns1.acme.example.test"],
    });
    const change = ["zone acme.example.test", `update add ${end} 60 TXT "${value}"`];
    expect(await primary.update(change, key)).toMatchObject({ code: 0 });
    const look = await dns().lookForTxt("_acme-challenge.www.example.test", value, signal);
    expect(look.verdict).toBe("everywhere");
  });

  test("follows a DNAME, and rejects a CNAME loop", async () => {
    const through = await dns().follow("_acme-challenge.old.example.test", signal);
    expect(through.name).toBe("_acme-challenge.acme.example.test");
    await expect(dns().follow("_acme-challenge.loop.example.test", signal)).rejects.toThrow(
      "_acme-challenge.loop.example.test → _acme-challenge.loop2.example.test → _acme-challenge.loop.example.test",
    );
  });

  test("reports a secondary that does not respond, or does not serve the zone", async () => {
    await secondary.close();
    const gone = await dns().lookForTxt(name, value, signal);
    expect(gone).toMatchObject({ verdict: "enough" });
    expect(gone.answers[1]).toMatchObject({
      server: `ns2.example.test (127.0.0.2:${primary.port})`,
      outcome: "nothing listens there",
      state: "silent",
    });
    secondary = await startBind({
      address: "127.0.0.2",
      port: primary.port,
      zones: [{ name: "elsewhere.test" }],
    });
    const wrong = await dns().lookForTxt(name, value, signal);
    expect(wrong.answers[1]).toMatchObject({ outcome: "REFUSED", state: "fails" });
  });
});
