import { line } from "../../result.ts";
import { readEmail } from "../../acme/registration.ts";
import { directoryFlags, registrationFlags } from "../../options/declared/account.ts";
import { Problem } from "../../problem.ts";
import { addressesOf, changeAccount, withAccount } from "../../issuer/account.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "account update",
  summary: "Change or remove the email address of the account",
  examples: ["acmectl account update -m ops@example.com", "acmectl account update --remove-email"],
  options: {
    ...directoryFlags,
    email: { ...registrationFlags.email, description: "New email address." },
    removeEmail: { type: "boolean", description: "Remove the email address." },
  },
  async run(flags, context) {
    const { email, removeEmail } = flags;
    if ((email === undefined) !== (removeEmail === true)) {
      throw new Problem("usage", {
        detail: "No new email address was given.",
        hint: "Give either --email ADDRESS or --remove-email.",
      });
    }
    const contact = email === undefined ? [] : [`mailto:${readEmail(email)}`];
    return withAccount(flags, context, (opened) =>
      changeAccount(opened, async ({ stored, session }) => {
        const account = await session.update({ contact }, context.signal);
        // Some CAs do not return addresses.
        const known = account.contact.length > 0 ? account.contact : contact;
        const { status } = account;
        await opened.tools.store.accounts.update(stored, { contact: known, status });
        const { directory, id, where: path } = stored;
        const addresses = addressesOf(known);
        const now = addresses ? `has the email address ${addresses}` : "has no email address now";
        return {
          document: {
            outcome: "updated",
            account: { ...account, contact: known, directory, id, path },
          },
          view: [line(`The account with ${directory} ${now}.`, "good")],
        };
      }),
    );
  },
});
