/** One delivered batch: so large that it is worth its turn, so small that one turn is a few milliseconds. */
export const batchBounds = { maxRecords: 1_000, maxBytes: 4 * 1024 * 1024 };
