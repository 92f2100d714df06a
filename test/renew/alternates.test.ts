import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testClock } from "../support/clock.ts";
import { startIssuing } from "../support/issuing.ts";

const name = "shop.example.test";
const path = "/certificate/later";

test("a form of the certificate that the CA has only later is fetched by a later run, and nothing waits for it", async () => {
  const clock = testClock();
  await using issuing = await startIssuing({ now: () => clock.now() });
  const { faults, requests } = issuing.ca;
  let issued = "";
  const pem = (text: string) => (issued = text);
  const link = `<${path}>;rel="acme-optional-alternate"`;
  faults.add({ on: /^\/certificate\/(?!later)/, do: { pem, headers: { link } } });
  expect((await issuing.issue(["-d", name], { clock })).code).toBe(0);
  const asked = () => requests.filter((one) => one.path === path).length;
  expect(asked()).toBe(0);

  const version = join(issuing.state, "certificates", name, "versions", "1");
  const file = join(version, "optional-alternate-1.pem");
  const renew = async () => {
    const { code, stderr } = await issuing.run(["renew", "--no-jitter"], { clock });
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) as string });
  };
  faults.add({ on: new RegExp(path), do: { status: 202, body: "", retryAfter: 7200 } });
  await renew();
  expect(asked()).toBe(1);
  await expect(access(file)).rejects.toThrow("ENOENT");
  clock.advance(3_600_000);
  await renew();
  expect(asked()).toBe(1);

  clock.advance(3_700_000);
  const properties =
    "-----BEGIN CERTIFICATE PROPERTIES-----\nAAAA\n-----END CERTIFICATE PROPERTIES-----\n";
  faults.add({ on: new RegExp(path), do: { status: 200, body: properties + issued } });
  await renew();
  expect(await readFile(file, "utf8")).toBe(properties + issued);
  await renew();
  expect(asked()).toBe(2);
});

test("a form of the certificate for another key is not kept, and not asked for again", async () => {
  const clock = testClock();
  await using issuing = await startIssuing({ now: () => clock.now() });
  const { faults, requests } = issuing.ca;
  let other = "";
  faults.add({ on: "certificate", do: { pem: (text) => (other = text) } });
  await issuing.issue(["-d", "other.example.test"], { clock });
  const link = `<${path}>;rel="acme-optional-alternate"`;
  faults.add({ on: "certificate", do: { headers: { link } } });
  await issuing.issue(["-d", name], { clock });
  faults.add({ on: new RegExp(path), do: { status: 200, body: other } });
  for (const _ of [1, 2]) {
    expect((await issuing.run(["renew", "--no-jitter"], { clock })).code).toBe(0);
    clock.advance(2 * 86_400_000);
  }
  expect(requests.filter((one) => one.path === path)).toHaveLength(1);
  const version = join(issuing.state, "certificates", name, "versions", "1");
  await expect(access(join(version, "optional-alternate-1.pem"))).rejects.toThrow("ENOENT");
});
