import { json, retryAfter, type Answer } from "../server/answer.ts";
import { AcmeProblem, demand } from "../acme-problem.ts";
import { authorizationFor } from "./authorizations.ts";
import { demandPostAsGet, own, payloadOf, signer, type SignedRequest } from "../signed/handler.ts";
import { readIdentifiers } from "./identifiers.ts";
import { orderStatus, newId, timestamp, type Order, type State } from "../state.ts";
import { checkReplaces } from "./renewal-info.ts";

const lifetime = 7 * 24 * 3_600_000;

/** newOrder (RFC 8555 §7.4), with the profile of the profiles draft and `replaces` of RFC 9773 §5. */
export function newOrder(state: State, request: SignedRequest): Answer {
  const payload = payloadOf(request);
  const account = signer(request);
  const dated = payload["notBefore"] !== undefined || payload["notAfter"] !== undefined;
  demand(!dated, "notBefore and notAfter are not supported; choose a profile.");
  const identifiers = readIdentifiers(payload["identifiers"]);
  const profile = chooseProfile(state, payload["profile"]);
  const predecessor = checkReplaces(state, account, identifiers, payload["replaces"]);
  const order: Order = {
    id: newId(),
    account,
    identifiers,
    authorizations: identifiers.map((each) => authorizationFor(state, account, each)),
    profile,
    expires: new Date(state.settings.now().getTime() + lifetime),
    replaces: predecessor?.renewalId,
    processing: false,
  };
  if (predecessor !== undefined) predecessor.replacedBy = order;
  state.orders.set(order.id, order);
  account.orders.push(order);
  return orderAnswer(state, order, 201);
}

/** Reads an order. */
export function order(state: State, request: SignedRequest): Answer {
  const mine = own(state.orders, request, "order");
  demandPostAsGet(request);
  return orderAnswer(state, mine, 200);
}

/** The order object of §7.1.3 with its Location, and a Retry-After while it is processing. */
export function orderAnswer(state: State, order: Order, status: number): Answer {
  return json(status, orderJson(state, order), {
    location: `${state.base}/order/${order.id}`,
    ...(order.processing ? retryAfter(state) : {}),
  });
}

function orderJson(state: State, order: Order): object {
  const url = `${state.base}/order/${order.id}`;
  const { certificate } = order;
  return {
    status: orderStatus(state, order),
    expires: timestamp(order.expires),
    identifiers: order.identifiers,
    profile: order.profile,
    ...(order.replaces === undefined ? {} : { replaces: order.replaces }),
    authorizations: order.authorizations.map((each) => `${state.base}/authz/${each.id}`),
    finalize: `${url}/finalize`,
    ...(order.error === undefined ? {} : { error: order.error }),
    ...(certificate === undefined
      ? {}
      : { certificate: `${state.base}/certificate/${certificate.id}` }),
  };
}

function chooseProfile(state: State, asked: unknown): string {
  const names = Object.keys(state.settings.profiles);
  if (asked === undefined) return names[0] ?? "";
  if (typeof asked === "string" && names.includes(asked)) return asked;
  const detail = `The profile ${JSON.stringify(asked)} is not offered; these are: ${names.join(", ")}.`;
  throw new AcmeProblem("invalidProfile", detail);
}
