/** Castagnoli's polynomial, reversed; eight tables, so that eight bytes take one step (Kounavis and Berry, 2005). */
const polynomial = 0x82f63b78;

const tables = makeTables();

/** The checksum of Kafka's record batches. */
export function crc32c(bytes: Uint8Array): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [T, T, T, T, T, T, T, T];
  let crc = ~0;
  let at = 0;
  for (const next = bytes.length - 7; at < next; at += 8) {
    const low =
      crc ^
      (at8(bytes, at) | (at8(bytes, at + 1) << 8) | (at8(bytes, at + 2) << 16) | (at8(bytes, at + 3) << 24));
    crc =
      (t7[low & 255] as number) ^
      (t6[(low >>> 8) & 255] as number) ^
      (t5[(low >>> 16) & 255] as number) ^
      (t4[low >>> 24] as number) ^
      (t3[at8(bytes, at + 4)] as number) ^
      (t2[at8(bytes, at + 5)] as number) ^
      (t1[at8(bytes, at + 6)] as number) ^
      (t0[at8(bytes, at + 7)] as number);
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ (t0[(crc ^ at8(bytes, at)) & 255] as number);
  return ~crc >>> 0;
}

type T = Int32Array;

function at8(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}

function makeTables(): readonly Int32Array[] {
  const first = Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? polynomial : 0);
    return crc;
  });
  const made = [first];
  for (let i = 1; i < 8; i++) {
    const before = made[i - 1] as Int32Array;
    made.push(before.map((crc) => (crc >>> 8) ^ (first[crc & 255] as number)));
  }
  return made;
}
