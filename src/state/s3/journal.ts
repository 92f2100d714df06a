/** Unfinished orders, in the objects of their certificates, with their keys encrypted. */
import { Problem } from "../../problem.ts";
import { isPendingOrder } from "../folder/journal.ts";
import { withKeys } from "../shared/order-keys.ts";
import type { PendingOrder, Store } from "../store.ts";
import { changeHead, headOf, isHead, partOf, readHead } from "./head.ts";
import type { Shared } from "./shared.ts";

/** A run that lost the certificate's lease changes none. */
export function openJournal(shared: Shared): Store["journal"] {
  const { objects, sealing, tokenOf } = shared;
  return {
    async names() {
      const names: string[] = [];
      for await (const page of objects.pages(marks)) {
        const parts = new Set(page.map(({ key }) => key.slice(marks.length).split("/")[0] ?? ""));
        for (const part of parts) {
          const found = await objects.read(`certificates/${part}.json`);
          if (isHead(found?.value) && found.value.pending !== undefined)
            names.push(found.value.name);
        }
      }
      return [...new Set(names)];
    },
    async read(name) {
      const { pending } = (await readHead(name, shared)) ?? {};
      return pending === undefined ? undefined : opened(pending, name, shared);
    },
    async write(pending) {
      const { name } = pending;
      const order = withKeys(pending, name, sealing.seal);
      // Of this lease alone, so that a run that lost it does not remove that of another.
      const mark = `${marks}${partOf(name)}/${tokenOf(`certificate:${name}`) ?? "0"}.json`;
      await changeHead(name, shared, async (head) => {
        // Before the order, so that it is found.
        if (head.pending === undefined || head.mark !== mark) await objects.put(mark, { name });
        return { ...head, pending: order, mark };
      });
    },
    async remove(name) {
      let mark: string | undefined;
      await changeHead(name, shared, (head) => {
        mark = head.mark;
        return { ...head, pending: undefined, mark: undefined };
      });
      if (mark !== undefined) await objects.remove(mark);
    },
  };
}

const marks = "unfinished/";

function opened(pending: unknown, name: string, { sealing, objects }: Shared): PendingOrder {
  const order = withKeys(pending, name, sealing.open);
  if (isPendingOrder(order)) return order;
  throw new Problem("machine", {
    detail: `The unfinished order of ${name} in ${objects.where} cannot be read.`,
    hint: `Look at "pending" in ${headOf(name)}, remove the DNS records that are in it, and remove it there: the next run orders again.`,
    retryable: false,
  });
}
