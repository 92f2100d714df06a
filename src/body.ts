/** The beginning of what others send, at most about this many bytes; `whole` is false if there is more, and then the stream is destroyed. */
export async function beginningOf(
  body: AsyncIterable<Uint8Array> | null,
  most: number,
): Promise<{ readonly bytes: Buffer; readonly whole: boolean }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    chunks.push(chunk);
    if (length > most) break;
  }
  return { bytes: Buffer.concat(chunks), whole: length <= most };
}
