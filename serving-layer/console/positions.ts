import { parsePosition } from "../../views/cut.ts";

/** How many records lie below a position, by topic and partition; none of "". */
export function readNexts(position: string | null): ReadonlyMap<string, ReadonlyMap<number, number>> {
  return position === null || position === "" ? new Map() : parsePosition(position);
}

export function countRecords(position: string | null): number {
  let count = 0;
  for (const partitions of readNexts(position).values())
    for (const next of partitions.values()) count += next;
  return count;
}
