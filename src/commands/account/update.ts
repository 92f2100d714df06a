import { directoryFlags } from "../../options/declared/account.ts";
import { Problem } from "../../problem.ts";
import { atDesk, changeAccount } from "../../account/kept.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "account update",
  summary: "Tell the CA another e-mail address, or none",
  examples: ["acmectl account update -m ops@example.com", "acmectl account update --remove-email"],
  options: {
    ...directoryFlags,
    email: {
      type: "string",
      description: "Where the CA may reach you from now on.",
      short: "m",
      placeholder: "ADDRESS",
    },
    removeEmail: { type: "boolean", description: "Leave the CA without an address." },
  },
  async run(flags, context) {
    const { email, removeEmail } = flags;
    if ((email === undefined) !== (removeEmail === true)) {
      throw new Problem("usage", {
        detail: "Say what the address is to be.",
        hint: "Give either --email ADDRESS or --remove-email.",
      });
    }
    const contact = email === undefined ? [] : [`mailto:${email}`];
    return atDesk(flags, context, (desk) =>
      changeAccount(desk, async ({ stored, session }) => {
        const account = await session.update({ contact }, context.signal);
        // Some CAs keep addresses to themselves.
        const known = account.contact.length > 0 ? account.contact : contact;
        await desk.store.accounts.update(stored, { contact: known, status: account.status });
        const { directory, id, path } = stored;
        return {
          exitCode: 0,
          document: {
            outcome: "updated",
            account: { ...account, contact: known, directory, id, path },
          },
          view: [
            {
              kind: "line",
              tone: "good",
              text:
                known.length === 0
                  ? `${directory} has no address of yours any more.`
                  : `${directory} reaches you at ${known.map((one) => one.replace("mailto:", "")).join(", ")}.`,
            },
          ],
        };
      }),
    );
  },
});
