import { writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { OptionsOf, Solver } from "acmectl/plugin";
import { challengeFor, recordingLog, solverConformance, solverContext } from "acmectl/testing";
import { type KubernetesFake, startKubernetesFake } from "../../test/support/fakes/kubernetes.ts";
import { freePort } from "../../test/support/servers/process.ts";
import { temporaryFolder } from "../../test/support/state.ts";
import kubernetes from "./index.ts";
import type { Made } from "./objects.ts";

type Options = OptionsOf<typeof kubernetes.options>;

const signal = new AbortController().signal;
const folder = await temporaryFolder();
const fake: KubernetesFake = await startKubernetesFake(folder.path);
const port = await freePort();
const defaults: Options = {
  kubeconfig: fake.kubeconfig,
  context: undefined,
  namespace: undefined,
  ingressClassName: undefined,
  ingress: undefined,
  gateways: undefined,
  selector: { app: "acmectl" },
  labelsFile: "/none",
  endpoints: undefined,
  serviceType: "ClusterIP",
  labels: undefined,
  annotations: undefined,
  address: ["127.0.0.1"],
  port,
  wait: 0,
};
const at = {
  services: "/api/v1/namespaces/web/services",
  ingresses: "/apis/networking.k8s.io/v1/namespaces/web/ingresses",
  slices: "/apis/discovery.k8s.io/v1/namespaces/web/endpointslices",
  routes: "/apis/gateway.networking.k8s.io/v1/namespaces/web/httproutes",
};
const target = (value: string, type: "dns" | "ip" = "dns") => ({
  identifier: { type, value },
  wildcard: false,
});
const challenge = challengeFor("http-01", "shop.example.com");
const opened: Solver<"http-01", Made>[] = [];

afterEach(async () => {
  for (const solver of opened.splice(0)) await solver.close?.();
  fake.objects.clear();
  fake.forbidden.clear();
  fake.missing.clear();
  fake.requests.length = 0;
});
afterAll(async () => {
  await fake.close();
  await folder[Symbol.asyncDispose]();
});

async function open(given: Partial<Options> = {}) {
  const solver = await kubernetes.create(
    { ...defaults, ...given },
    solverContext({ log: recordingLog() }),
  );
  opened.push(solver);
  return solver;
}

function ask(path: string, host: string) {
  return new Promise<string | undefined>((resolve) => {
    const sent = { host: "127.0.0.1", port, path, headers: { host }, agent: false };
    const request = httpRequest(sent, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
      response.on("end", () => resolve(response.statusCode === 200 ? body : undefined));
    });
    request.on("error", () => resolve(undefined)).end();
  });
}

interface IngressRule {
  host?: string;
  http?: { paths: { path: string; backend: { service: { name: string } } }[] };
}

/** What a controller would serve: the body, if a rule of an Ingress leads to a Service that exists. */
async function served(path: string, host: string): Promise<readonly string[]> {
  const rules = fake.names(at.ingresses).flatMap((name) => {
    const spec = fake.objects.get(`${at.ingresses}/${name}`)?.["spec"] as { rules?: IngressRule[] };
    return spec.rules ?? [];
  });
  const backends = rules
    .filter((rule) => rule.host === host)
    .flatMap(({ http }) => http?.paths.filter((one) => one.path === path) ?? [])
    .filter(({ backend }) => fake.objects.has(`${at.services}/${backend.service.name}`));
  const body = backends.length === 0 ? undefined : await ask(path, host);
  return body === undefined ? [] : [body];
}

describe("conformance", () => {
  const wrong = join(folder.path, "wrong");
  beforeAll(() => writeFile(wrong, "contexts: []"));
  for (const [through, options] of [
    ["an Ingress of its own", {}],
    ["a path in an existing Ingress", { ingress: "shop" }],
  ] as const) {
    const cases = solverConformance({
      plugin: kubernetes,
      options: { ...defaults, ...options },
      instances: 1,
      visible: ({ path, identifier }) => served(path, identifier.value),
      broken: [
        { when: "the kubeconfig names no cluster", options: { ...defaults, kubeconfig: wrong } },
        { when: "nothing leads to it", options: { ...defaults, selector: undefined } },
      ],
    });
    for (const { name, run } of cases)
      it(`${name} (${through})`, async () => {
        fake.plant(`${at.ingresses}/shop`, { spec: { defaultBackend: {} } });
        await run();
      });
  }
});

describe("the objects", () => {
  it("are a Service for the pod and an Ingress with the exact path, and all are removed", async () => {
    const solver = await open({ ingressClassName: "nginx", labels: { team: "shop" } });
    const made = await solver.present(challenge, { signal });
    expect(fake.objects.get(`${at.services}/${made.name}`)).toMatchObject({
      metadata: { labels: { team: "shop", "app.kubernetes.io/managed-by": "acmectl" } },
      spec: { selector: { app: "acmectl" }, ports: [{ port, targetPort: port }] },
    });
    expect(fake.objects.get(`${at.ingresses}/${made.name}`)).toMatchObject({
      spec: {
        ingressClassName: "nginx",
        rules: [
          {
            host: "shop.example.com",
            http: { paths: [{ path: challenge.path, pathType: "Exact" }] },
          },
        ],
      },
    });
    expect(await solver.checkPropagation?.(challenge, made, { signal })).toBe(true);
    await solver.cleanup(challenge, made, { signal });
    expect(fake.objects.size).toBe(0);
  });

  it("outside a cluster are slices for the addresses, by family", async () => {
    const solver = await open({ endpoints: ["192.0.2.2", "2001:db8::2"] });
    const made = await solver.present(challenge, { signal });
    expect(fake.names(at.slices)).toEqual([made.name, `${made.name}-v6`]);
    expect(fake.objects.get(`${at.slices}/${made.name}`)).toMatchObject({
      metadata: { labels: { "kubernetes.io/service-name": made.name } },
      addressType: "IPv4",
      endpoints: [{ addresses: ["192.0.2.2"] }],
    });
    await solver.cleanup(challenge, undefined, { signal });
    expect(fake.objects.size).toBe(0);
  });

  it("take the pod's labels from the downward API", async () => {
    const labelsFile = join(folder.path, "labels");
    await writeFile(labelsFile, 'app="acmectl"\npod-template-hash="5d4"');
    const solver = await open({ selector: undefined, labelsFile });
    const { name } = await solver.present(challenge, { signal });
    expect(fake.objects.get(`${at.services}/${name}`)).toMatchObject({
      spec: { selector: { app: "acmectl", "pod-template-hash": "5d4" } },
    });
  });

  it("for a Gateway are an HTTPRoute, whose acceptance is awaited", async () => {
    const solver = await open({ gateways: ["infra/public#http", "private"] });
    const made = await solver.present(challenge, { signal });
    const path = `${at.routes}/${made.name}`;
    expect(fake.objects.get(path)).toMatchObject({
      spec: {
        parentRefs: [
          { name: "public", namespace: "infra", sectionName: "http" },
          { name: "private" },
        ],
        hostnames: ["shop.example.com"],
        rules: [{ matches: [{ path: { type: "Exact", value: challenge.path } }] }],
      },
    });
    const isLive = async () => solver.checkPropagation?.(challenge, made, { signal });
    expect(await isLive()).toBe(false);
    const say = (status: string) => {
      const condition = { type: "Accepted", status, reason: "NotAllowed", message: "not yours" };
      const parentRef = { name: "public" };
      fake.plant(path, { status: { parents: [{ parentRef, conditions: [condition] }] } });
    };
    say("True");
    expect(await isLive()).toBe(true);
    say("False");
    await expect(isLive()).rejects.toThrow(
      "The Gateway public of test did not accept the HTTPRoute: not yours",
    );
  });
});

describe("an existing Ingress", () => {
  const shop = {
    spec: {
      rules: [
        { host: "other.example.com" },
        { host: "shop.example.com", http: { paths: [{ path: "/", backend: {} }] } },
      ],
    },
  };

  it("is afterwards as it was", async () => {
    fake.plant(`${at.ingresses}/shop`, shop);
    const solver = await open({ ingress: "shop" });
    const made = await solver.present(challenge, { signal });
    const second = challengeFor("http-01", "other.example.com");
    await solver.present(second, { signal });
    expect(await served(challenge.path, "shop.example.com")).toEqual([challenge.body]);
    await solver.cleanup(challenge, made, { signal });
    await solver.cleanup(second, undefined, { signal });
    expect(fake.objects.get(`${at.ingresses}/shop`)).toMatchObject(shop);
    expect(fake.names(at.services)).toEqual([]);
  });

  it("that does not exist is named", async () => {
    const solver = await open({ ingress: "shop" });
    const words = "The Ingress shop does not exist in the namespace web of test.";
    const asked = solver.preflight?.([target("shop.example.com")], { signal });
    await expect(asked).rejects.toThrow(words);
    await expect(solver.present(challenge, { signal })).rejects.toThrow(words);
    await solver.cleanup(challenge, undefined, { signal });
    expect(fake.objects.size).toBe(0);
  });
});

describe("the preflight", () => {
  it.each([
    ["get services", {}],
    ["create ingresses", {}],
    ["delete ingresses", {}],
    ["patch ingresses", { ingress: "shop" }],
    ["create endpointslices", { endpoints: ["192.0.2.2"] }],
    ["delete httproutes", { gateways: ["public"] }],
  ])("names the missing verb: %s", async (right, options) => {
    fake.forbidden.add(right);
    const solver = await open(options);
    await expect(
      solver.preflight?.([target("shop.example.com")], { signal }),
    ).rejects.toMatchObject({
      message: `test: acmectl may not ${right} in the namespace web.`,
      exitCode: 2,
    });
  });

  it("names a namespace that does not exist", async () => {
    fake.missing.add("shop");
    const solver = await open({ namespace: "shop" });
    await expect(
      solver.preflight?.([target("shop.example.com")], { signal }),
    ).rejects.toMatchObject({
      message: "The namespace shop does not exist in test.",
      exitCode: 2,
    });
  });

  it("does not require the permission to look at the namespace", async () => {
    fake.missing.add("web");
    fake.forbidden.add("get namespaces");
    const solver = await open();
    await solver.preflight?.([target("shop.example.com")], { signal });
    expect(fake.requests).toContain("get /api/v1/namespaces/web");
  });

  it.each([
    [{ ingress: "a", gateways: ["b"] }, target("shop.example.com"), "cannot be combined"],
    [{}, target("192.0.2.1", "ip"), "not IP addresses such as 192.0.2.1"],
    [{ gateways: ["a/b/c"] }, target("shop.example.com"), '"a/b/c" is not a Gateway'],
    [{ endpoints: ["127.0.0.1"] }, target("shop.example.com"), "127.0.0.1 is not an address"],
    [{ endpoints: ["fe80::1"] }, target("shop.example.com"), "fe80::1 is not an address"],
  ])("refuses %j for %j", async (options, wanted, words) => {
    const solver = await open(options);
    await expect(solver.preflight?.([wanted], { signal })).rejects.toThrow(words);
  });
});

it("does not remove objects without acmectl's label", async () => {
  const solver = await open();
  const made = await solver.present(challenge, { signal });
  fake.plant(`${at.services}/${made.name}`, { metadata: { labels: {} } });
  await expect(solver.cleanup(challenge, made, { signal })).rejects.toThrow("is not acmectl's");
  expect(fake.names(at.services)).toEqual([made.name]);
});
