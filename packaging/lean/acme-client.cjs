/** acmectl has a transport and signers of its own, so of acme-client it needs neither axios nor crypto. */
module.exports = {};
