/** One path among the rules of an Ingress. */
import type { Http01Challenge } from "acmectl/plugin";
import { isRecord, type KubeObject, listOf } from "acmectl/plugin/http";

type Rule = KubeObject;

/** The rules with the path first; undefined if it is there. Others' rules stay as they are. */
export function withPath(
  spec: KubeObject,
  challenge: Http01Challenge,
  service: string,
  port: number,
): KubeObject | undefined {
  const rules = listIn(spec, "rules");
  if (rules.some((rule) => pathsOf(rule).some((path) => isOurs(path, challenge, service))))
    return undefined;
  const backend = { service: { name: service, port: { number: port } } };
  const path = { path: challenge.path, pathType: "Exact", backend };
  const host = challenge.identifier.value;
  const index = rules.findIndex((rule) => rule["host"] === host && pathsOf(rule).length > 0);
  const found = rules[index];
  if (found === undefined) return { rules: [...rules, { host, http: { paths: [path] } }] };
  return { rules: rules.with(index, { ...found, http: { paths: [path, ...pathsOf(found)] } }) };
}

/** The rules without the path; undefined if it is not there. */
export function withoutPath(
  spec: KubeObject,
  challenge: Http01Challenge,
  service: string,
): KubeObject | undefined {
  let isFound = false;
  const rules = listIn(spec, "rules").flatMap((rule) => {
    const paths = pathsOf(rule);
    const left = paths.filter((path) => !isOurs(path, challenge, service));
    if (left.length === paths.length) return [rule];
    isFound = true;
    return left.length === 0 ? [] : [{ ...rule, http: { paths: left } }];
  });
  if (!isFound) return undefined;
  return { rules: rules.length === 0 ? null : rules };
}

function pathsOf({ http }: Rule): readonly KubeObject[] {
  return isRecord(http) ? listIn(http, "paths") : [];
}

function listIn(object: KubeObject, key: string): readonly KubeObject[] {
  return listOf(object, key).filter(isRecord);
}

function isOurs({ path, backend }: KubeObject, challenge: Http01Challenge, service: string) {
  const to = isRecord(backend) ? backend["service"] : undefined;
  return path === challenge.path && isRecord(to) && to["name"] === service;
}
