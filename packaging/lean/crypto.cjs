/** Of acme-client's crypto what its signing calls. */
const { createPublicKey } = require("node:crypto");

exports.getJwk = (key) => {
  const jwk = createPublicKey(key).export({ format: "jwk" });
  return Object.fromEntries(
    Object.entries(jwk).toSorted(([one], [other]) => (one < other ? -1 : 1)),
  );
};
