/** The tar format (POSIX.1-2001, `pax`), as far as a state folder needs it. */

export interface Entry {
  /** Relative, with `/`. */
  readonly path: string;
  readonly kind: "file" | "folder" | "link";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly time: number;
  /** Of a link: where it points to. */
  readonly target?: string | undefined;
  readonly content: Buffer;
}

const block = 512;
const types = { file: "0", link: "2", folder: "5" } as const;
const longName = "x";

/** The blocks of one entry. */
export function* written(entry: Entry): Iterable<Buffer> {
  const { path, target = "" } = entry;
  const records = [recordOf("path", path), recordOf("linkpath", target)].join("");
  if (records !== "") {
    const content = Buffer.from(records);
    yield header({ ...entry, path: "PaxHeaders/long-name", target: "" }, longName, content.length);
    yield padded(content);
  }
  yield header(entry, types[entry.kind], entry.content.length);
  yield padded(entry.content);
}

/** Two empty blocks. */
export const end = Buffer.alloc(2 * block);

/** What does not fit into a header. `LENGTH KEY=VALUE\n`, and the length counts itself. */
function recordOf(key: string, value: string): string {
  if (Buffer.byteLength(value) <= 100) return "";
  const rest = ` ${key}=${value}\n`;
  const size = Buffer.byteLength(rest);
  const digits = `${size + `${size}`.length}`.length;
  return `${size + digits}${rest}`;
}

function header(
  { path, mode, uid, gid, time, target = "" }: Omit<Entry, "kind" | "content">,
  type: string,
  size: number,
): Buffer {
  const bytes = Buffer.alloc(block);
  bytes.write(Buffer.from(path).subarray(0, 100).toString("latin1"), 0, "latin1");
  const octal = (value: number, at: number, length: number) =>
    bytes.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "latin1");
  octal(mode & 0o7777, 100, 8);
  octal(uid & 0o7777777, 108, 8);
  octal(gid & 0o7777777, 116, 8);
  octal(size, 124, 12);
  octal(Math.floor(time), 136, 12);
  bytes.write(type, 156, "latin1");
  bytes.write(Buffer.from(target).subarray(0, 100).toString("latin1"), 157, "latin1");
  bytes.write("ustar\u000000", 257, "latin1");
  octal(sumOf(bytes), 148, 7);
  bytes.write(" ", 155, "latin1");
  return bytes;
}

/** The checksum field itself counts as spaces. */
function sumOf(bytes: Buffer): number {
  return bytes.reduce((sum, byte, index) => sum + (index >= 148 && index < 156 ? 0x20 : byte), 0);
}

function padded(content: Buffer): Buffer {
  const rest = content.length % block;
  return rest === 0 ? content : Buffer.concat([content, Buffer.alloc(block - rest)]);
}

/** The entries of an archive. Throws an Error for one that is damaged or cut off. */
export async function* entriesIn(source: AsyncIterable<Buffer>): AsyncIterable<Entry> {
  const read = readerOf(source);
  let long: Readonly<Record<string, string>> = {};
  for (;;) {
    const head = await read(block);
    if (head.every((byte) => byte === 0)) return;
    const text = (at: number, length: number) =>
      head
        .subarray(at, at + length)
        .toString("utf8")
        .replace(/\0.*$/s, "");
    const number = (at: number, length: number) => Number.parseInt(text(at, length), 8) || 0;
    if (number(148, 8) !== sumOf(head)) throw new Error("a header has another checksum");
    const size = number(124, 12);
    const content = (await read(Math.ceil(size / block) * block)).subarray(0, size);
    const type = text(156, 1);
    if (type === longName) {
      long = recordsIn(content);
      continue;
    }
    const path = (long["path"] ?? text(0, 100)).replace(/\/$/, "");
    const kind = type === types.link ? "link" : type === types.folder ? "folder" : "file";
    const target = long["linkpath"] ?? text(157, 100);
    const [mode, uid, gid] = [number(100, 8), number(108, 8), number(116, 8)];
    yield { path, kind, mode, uid, gid, time: number(136, 12), target, content };
    long = {};
  }
}

function recordsIn(content: Buffer): Readonly<Record<string, string>> {
  const pairs = [...content.toString("utf8").matchAll(/^\d+ (\w+)=(.*)$/gm)];
  return Object.fromEntries(pairs.map(([, key = "", value = ""]) => [key, value]));
}

function readerOf(source: AsyncIterable<Buffer>): (size: number) => Promise<Buffer> {
  const parts = source[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  return async (size) => {
    const chunks = [rest];
    for (let length = rest.length; length < size;) {
      const next = await parts.next();
      if (next.done === true) throw new Error("it is cut off");
      chunks.push(next.value);
      length += next.value.length;
    }
    const all = Buffer.concat(chunks);
    rest = all.subarray(size);
    return all.subarray(0, size);
  };
}
