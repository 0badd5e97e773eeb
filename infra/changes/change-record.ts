import { partitionOf } from "../../views/partition.ts";
import type { Append, LogRecord, Topic } from "../log/log.ts";
import { headerTexts } from "../log/record-headers.ts";

/** A row as it is now. */
export interface Change {
  /** JSON of what tells the row apart. */
  readonly key: string;
  /** JSON as answers have it; null: there is no such row any more. */
  readonly row: string | null;
}

/** What a row rests on, as answers say it. */
export interface ChangeGround {
  readonly view: string;
  readonly version: number;
  readonly fingerprint: string;
  readonly generation: string | null;
  readonly cut: string;
  /** The row is exactly that of this position. */
  readonly position: string;
}

const publisherHeader = "tidemark-publisher";
const positionHeader = "tidemark-position";

/**
 * Records of changes: keyed by the row's key, so that a compacted topic keeps the last of each. The value is
 * `{view, version, fingerprint, generation, cut, position, row}`, nothing for a row that is gone. Headers say
 * the position too, and by whom it was told.
 */
export function changeAppends(
  { name: topic, partitions }: Topic,
  publisher: string,
  ground: ChangeGround,
  changes: readonly Change[],
): readonly Append[] {
  const before = `${JSON.stringify(ground).slice(0, -1)}${rowMember}`;
  const headers = { [publisherHeader]: publisher, [positionHeader]: ground.position };
  return changes.map(({ key, row }) => ({
    ...{ topic, partition: partitionOf(key, partitions), key, headers },
    ...(row === null
      ? { value: new Uint8Array(0), isWithoutValue: true }
      : { value: Buffer.from(`${before}${row}}`) }),
  }));
}

/** No member before it can have this in it: their quotes are escaped. */
const rowMember = ',"row":';

/** A change as it was told. */
export interface ToldChange extends Change {
  readonly publisher: string;
  /** Empty for what no publisher wrote. */
  readonly position: string;
}

/** Undefined for a record that has no key, which no publisher wrote. */
export function readChange(record: LogRecord): ToldChange | undefined {
  const { key, value, headers = {} } = record;
  if (key === null) return undefined;
  const texts = headerTexts(headers);
  const [publisher, position] = [publisherHeader, positionHeader].map((name) =>
    String(texts[name] ?? ""),
  ) as [string, string];
  if (value.length === 0) return { key, row: null, publisher, position };
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString();
  const at = text.indexOf(rowMember);
  return { key, row: at === -1 ? text : text.slice(at + rowMember.length, -1), publisher, position };
}
