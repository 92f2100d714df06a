/** A checksum of 64 bits (FNV-1a, twice), for which OpenSSL need not be loaded. Two texts may have the same. */
export function markOfText(text: string): string {
  return [0x81_1c_9d_c5, 0x01_23_45_67].map((seed) => checksum(text, seed)).join(".");
}

function checksum(text: string, seed: number): string {
  let sum = seed;
  for (let index = 0; index < text.length; index += 1)
    sum = Math.imul(sum ^ text.charCodeAt(index), 0x01_00_01_93);
  return (sum >>> 0).toString(36);
}
