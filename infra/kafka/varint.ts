/** A place in bytes that reading moves forward. */
export interface VarintReader {
  readonly bytes: Buffer;
  at: number;
}

/** A zigzag varint of up to 64 bits, exact up to 2^53. */
export function readVarint(reader: VarintReader): number {
  const { bytes } = reader;
  let byte = bytes[reader.at++] as number;
  if (byte < 128) return byte & 1 ? -((byte + 1) >> 1) : byte >> 1;
  let value = byte & 127;
  for (let scale = 128; byte >= 128; scale *= 128) {
    byte = bytes[reader.at++] as number;
    value += (byte & 127) * scale;
  }
  return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
}
