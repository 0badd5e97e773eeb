import { TidemarkError } from "./errors.ts";

/** A record's place in its partition: 0, 1, 2, … Safe as a double up to 2^53 − 1, which no partition reaches. */
export type Offset = number & { readonly __brand: "Offset" };

/** The one maker of offsets; throws for anything that is not a whole number ≥ 0. */
export function offset(value: number): Offset {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new TidemarkError(
      "TIDEMARK_STORE_CORRUPT",
      `${value} is no offset: offsets are whole numbers from 0`,
    );
  }
  return value as Offset;
}

/**
 * Per topic, by partition, the next offset that is not covered (exclusive): the cut `{t: [3, 0]}` covers offsets
 * 0, 1 and 2 of partition 0 and nothing of partition 1. A topic that is absent is covered up to 0 everywhere.
 */
export type Cut = Readonly<Record<string, readonly Offset[]>>;

/** A position names only the partitions that it speaks of, e.g. those that one request was appended to. */
export type Position = ReadonlyMap<string, ReadonlyMap<number, Offset>>;

export function offsetAt(cut: Cut, topic: string, partition: number): Offset {
  return cut[topic]?.[partition] ?? (0 as Offset);
}

export function cutsEqual(a: Cut, b: Cut): boolean {
  return cutCovers(a, b) && cutCovers(b, a);
}

/** Whether `a` covers all that `b` covers. */
export function cutCovers(a: Cut, b: Cut): boolean {
  return Object.entries(b).every(([topic, nexts]) => nexts.every((next, p) => offsetAt(a, topic, p) >= next));
}

/** How many records lie in `[from, to)`, summed over partitions; partitions in which `to` is behind count 0. */
export function recordsBetween(from: Cut, to: Cut): number {
  let records = 0;
  for (const [topic, nexts] of Object.entries(to)) {
    nexts.forEach((next, p) => {
      records += Math.max(0, next - offsetAt(from, topic, p));
    });
  }
  return records;
}

export function positionCovered(cut: Cut, position: Position): boolean {
  for (const [topic, partitions] of position) {
    for (const [partition, next] of partitions) if (offsetAt(cut, topic, partition) < next) return false;
  }
  return true;
}

/** `topic@0:12,3:45` with topics apart by `;`. The text form of a position, as answers and `after=` carry it. */
export function formatPosition(position: Position): string {
  return [...position]
    .map(([topic, ps]) => `${topic}@${[...ps].map(([p, next]) => `${p}:${next}`).join(",")}`)
    .join(";");
}

export function formatCut(cut: Cut): string {
  return formatPosition(cutToPosition(cut));
}

export function cutToPosition(cut: Cut): Position {
  return new Map(
    Object.entries(cut).map(([topic, nexts]) => [topic, new Map(nexts.map((next, p) => [p, next] as const))]),
  );
}

/** The cut of these topics at the position; of a partition that it does not name, 0. */
export function cutAt(
  position: Position,
  topics: readonly { readonly name: string; readonly partitions: number }[],
): Cut {
  return Object.fromEntries(
    topics.map(({ name, partitions }) => [
      name,
      Array.from({ length: partitions }, (_, partition) => position.get(name)?.get(partition) ?? offset(0)),
    ]),
  );
}

/** Reads what `formatPosition` writes; throws TIDEMARK_QUERY_PARAMETER for anything else. */
export function parsePosition(text: string): Position {
  const position = new Map<string, Map<number, Offset>>();
  for (const part of text.split(";")) {
    const match = /^([^@;]+)@(\d{1,9}:\d{1,15}(?:,\d{1,9}:\d{1,15})*)$/.exec(part);
    if (match?.[1] === undefined || match[2] === undefined) {
      throw new TidemarkError(
        "TIDEMARK_QUERY_PARAMETER",
        `"${text.slice(0, 200)}" is no position: expected TOPIC@PARTITION:OFFSET,… with ";" between topics, as in the "position" of an ingest answer`,
      );
    }
    const partitions = position.get(match[1]) ?? new Map<number, Offset>();
    for (const pair of match[2].split(",")) {
      const [p, next] = pair.split(":").map(Number) as [number, number];
      partitions.set(p, offset(Math.max(next, partitions.get(p) ?? 0)));
    }
    position.set(match[1], partitions);
  }
  return position;
}
