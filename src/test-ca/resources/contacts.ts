import { AcmeProblem, demand } from "../acme-problem.ts";

const mailAddress = /^[A-Za-z0-9.!#$&'*+/=^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/;

/** Checks contact URLs (RFC 8555 §7.3): `mailto:` with exactly one address and no header fields. */
export function checkContacts(value: unknown): readonly string[] {
  if (value === undefined) return [];
  demand(Array.isArray(value), "contact is not a list.");
  return value.map((contact: unknown) => {
    demand(typeof contact === "string", "A contact is not a string.");
    checkContact(contact);
    return contact;
  });
}

function checkContact(contact: string): void {
  if (!contact.startsWith("mailto:")) {
    throw new AcmeProblem("unsupportedContact", `The contact "${contact}" is not a mailto: URL.`);
  }
  const address = contact.slice("mailto:".length);
  if (address.includes("?")) throw invalid(contact, "has header fields");
  if (address.includes(",")) throw invalid(contact, "has more than one address");
  if (!mailAddress.test(address)) throw invalid(contact, "is not a mail address");
}

function invalid(contact: string, why: string): AcmeProblem {
  return new AcmeProblem("invalidContact", `The contact "${contact}" ${why}.`);
}
