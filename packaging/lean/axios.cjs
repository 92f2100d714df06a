/** acme-client sets up axios when it is loaded. Nothing is ever sent by it: acmectl has a transport of its own. */
const interceptors = { request: { use() {} }, response: { use() {} } };

module.exports = {
  AxiosError: Error,
  create: () => ({ defaults: { headers: { common: {} } }, interceptors }),
};
