import type { Cut, Offset } from "../../views/cut.ts";

/** What erasures have taken out of a range of offsets. */
export interface Erased {
  /** Files of the range that were written again without what was erased; where the range was compacted since, in all. */
  readonly times: number;
  readonly records: number;
}

/** Which of a master dataset's two folders a file is in; most have but the first. */
export type Place = "hot" | "cold";

/**
 * One immutable Parquet file: records `[from, next)` of a partition, in order of offset, each exactly once, but for those that
 * were erased.
 */
export interface MasterFile {
  readonly topic: string;
  readonly partition: number;
  readonly from: Offset;
  readonly next: Offset;
  /** Undefined: nothing was. */
  readonly erased?: Erased;
  /** It is in the cold folder. */
  readonly isCold?: true;
  readonly path: string;
}

/**
 * The immutable master dataset. Columns of a file: `_partition INTEGER, _offset BIGINT, _event_id VARCHAR,
 * _event_source VARCHAR, _event_time TIMESTAMP_MS (UTC), _duplicate BOOLEAN, _rest VARCHAR`, then a column per field of
 * the schema (VARCHAR, BIGINT, DOUBLE, BOOLEAN, TIMESTAMP_MS), those of objects in it under their path: `ad.campaign`.
 * A list is a column of lists, of one length for each field of its elements: `items.sku VARCHAR[]`. `_rest` is the
 * record's own JSON text, kept whole where it holds anything that the typed columns do not; else null.
 */
export interface Master {
  /** By partition, then offset. Files of a partition abut from offset 0 on; TIDEMARK_STORE_GAP/_OVERLAP if not. */
  files(topic: string): Promise<readonly MasterFile[]>;
  /** By topic and partition, the next offset that is not archived. */
  cut(): Promise<Cut>;
  /**
   * Adds a file: `write` is given a path aside; the file is then made durable and moved to its name in one step.
   * `from` must be where the partition's files end.
   */
  add(file: Omit<MasterFile, "path">, write: (path: string) => Promise<void>): Promise<MasterFile>;
}
