import type { Entry, Segment } from "../infra/tail/tail.ts";
import type { Cell } from "../views/state.ts";

/** So many entries are looked at. */
const sampleSize = 32;
/** An entry's own object, its arrays, its place in a map and its key. */
const entryBytes = 200;

/** Memory that a segment takes, by what a sample of its entries does. */
export function tailBytes(segment: Pick<Segment, "entries" | "size">): number {
  let looked = 0;
  let bytes = 0;
  for (const entry of sample(segment)) {
    looked++;
    bytes += bytesOf(entry);
  }
  return looked === 0 ? 0 : Math.round((bytes / looked) * segment.size);
}

function* sample(segment: Pick<Segment, "entries">): Generator<Entry> {
  let left = sampleSize;
  for (const entry of segment.entries()) {
    if (left-- === 0) return;
    yield entry;
  }
}

function bytesOf({ dimensions, cells }: Entry): number {
  return [...dimensions, ...cells].reduce<number>((sum, value) => sum + 8 + heapBytes(value), entryBytes);
}

/** What a value takes beside the place that holds it. */
function heapBytes(value: Cell): number {
  switch (typeof value) {
    case "string":
      return 16 + value.length;
    case "bigint":
      return 24;
    case "number":
      return Number.isInteger(value) ? 0 : 16;
    case "object":
      return value === null ? 0 : 64 + value.encode().length;
    default:
      return 0;
  }
}
