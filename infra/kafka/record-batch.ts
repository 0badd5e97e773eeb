/**
 * Where things are in a batch of records, format 2 (Kafka 0.11 and later). What its length counts begins at `leaderEpoch`,
 * what its checksum covers at `attributes`; numbers in records are zigzag varints.
 */
export const batchLayout = {
  baseOffset: 0,
  length: 8,
  leaderEpoch: 12,
  format: 16,
  checksum: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producer: 43,
  producerEpoch: 51,
  sequence: 53,
  count: 57,
  records: 61,
} as const;

export const batchFormat = 2;

/** Bits of `attributes`. */
export const attribute = { codec: 0x7, appendTime: 0x8, transactional: 0x10, control: 0x20 } as const;
