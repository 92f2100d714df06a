import { expect, test } from "vitest";
import { splitWords } from "../../src/options/words.ts";

test.each([
  ["pass show acme/token", ["pass", "show", "acme/token"]],
  ["  vault  read\t-field=token ", ["vault", "read", "-field=token"]],
  ["op read 'op://Private Vault/token'", ["op", "read", "op://Private Vault/token"]],
  [String.raw`echo "a \"quoted\" word" b\ c`, ["echo", 'a "quoted" word', "b c"]],
  ["printf ''", ["printf", ""]],
  ["a'b'\"c\"d", ["abcd"]],
  ["echo $HOME `id` ; rm *", ["echo", "$HOME", "`id`", ";", "rm", "*"]],
  ["", []],
])("%s", (text, words) => {
  expect(splitWords(text)).toEqual(words);
});

test.each(["echo 'open", 'echo "open', "echo open\\"])("the quote in %s is left open", (text) => {
  expect(splitWords(text)).toBeUndefined();
});
