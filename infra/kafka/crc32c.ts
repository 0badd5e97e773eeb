/** Castagnoli's polynomial, reversed. */
const polynomial = 0x82f63b78;

/** Eight tables in a row, so that eight bytes take one step (Kounavis and Berry, 2005). */
const tables = makeTables();

/** The checksum of Kafka's record batches. Words are read as the machine has them: little-endian, as everywhere that Node runs. */
export function crc32c(bytes: Uint8Array): number {
  const t = tables;
  let crc = ~0;
  let at = 0;
  for (; at < bytes.length && (bytes.byteOffset + at) % 4 !== 0; at++) crc = byByte(crc, bytes, at);
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (bytes.length - at) >>> 2);
  const pairs = words.length & ~1;
  for (let i = 0; i < pairs; i += 2) {
    const a = crc ^ (words[i] as number);
    const b = words[i + 1] as number;
    crc =
      (t[1792 + (a & 255)] as number) ^
      (t[1536 + ((a >>> 8) & 255)] as number) ^
      (t[1280 + ((a >>> 16) & 255)] as number) ^
      (t[1024 + (a >>> 24)] as number) ^
      (t[768 + (b & 255)] as number) ^
      (t[512 + ((b >>> 8) & 255)] as number) ^
      (t[256 + ((b >>> 16) & 255)] as number) ^
      (t[b >>> 24] as number);
  }
  for (at += pairs * 4; at < bytes.length; at++) crc = byByte(crc, bytes, at);
  return ~crc >>> 0;
}

function byByte(crc: number, bytes: Uint8Array, at: number): number {
  return (crc >>> 8) ^ (tables[(crc ^ (bytes[at] as number)) & 255] as number);
}

function makeTables(): Int32Array {
  const made = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? polynomial : 0);
    made[byte] = crc;
  }
  for (let i = 256; i < made.length; i++) {
    const before = made[i - 256] as number;
    made[i] = (before >>> 8) ^ (made[before & 255] as number);
  }
  return made;
}
