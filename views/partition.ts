const encoder = new TextEncoder();
const seed = 0x9747b28c;
const m = 0x5bd1e995;

/** MurmurHash2, 32 bits, with the seed and the little-endian tail of Kafka's `Utils.murmur2`. Gives a signed int. */
export function murmur2(data: Uint8Array): number {
  const { length } = data;
  const byte = (i: number) => data[i] ?? 0;
  let h = seed ^ length;
  const tail = length & ~3;
  for (let i = 0; i < tail; i += 4) {
    let k = byte(i) | (byte(i + 1) << 8) | (byte(i + 2) << 16) | (byte(i + 3) << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    h = Math.imul(h, m) ^ Math.imul(k, m);
  }
  if (length > tail) {
    const left = length - tail;
    if (left === 3) h ^= byte(tail + 2) << 16;
    if (left >= 2) h ^= byte(tail + 1) << 8;
    h = Math.imul(h ^ byte(tail), m);
  }
  h = Math.imul(h ^ (h >>> 13), m);
  return h ^ (h >>> 15);
}

/** Key to partition as Kafka's default partitioner has it, so that any producer agrees with ours. */
export function partitionOf(key: string, partitions: number): number {
  return (murmur2(encoder.encode(key)) & 0x7fffffff) % partitions;
}
