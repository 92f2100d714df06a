/** acme-client never sends anything: acmectl has a transport of its own. */
module.exports = {};
