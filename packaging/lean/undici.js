/** Of undici what acmectl calls; its index loads fetch, WebSocket, caches and mocks as well. */
import Agent from "undici/lib/dispatcher/agent.js";
import Dispatcher from "undici/lib/dispatcher/dispatcher.js";
import EnvHttpProxyAgent from "undici/lib/dispatcher/env-http-proxy-agent.js";
import ProxyAgent from "undici/lib/dispatcher/proxy-agent.js";
import api from "undici/lib/api/index.js";
import buildConnector from "undici/lib/core/connect.js";

// As undici's index does: ProxyAgent calls connect() of a dispatcher.
Object.assign(Dispatcher.prototype, api);

export { Agent, EnvHttpProxyAgent, ProxyAgent, buildConnector };

/** As undici's own, where a dispatcher is given. */
export function request(url, { dispatcher, ...options }) {
  const { origin, pathname, search } = new URL(url);
  const method = options.method ?? (options.body ? "PUT" : "GET");
  return api.request.call(dispatcher, { ...options, origin, path: pathname + search, method });
}
