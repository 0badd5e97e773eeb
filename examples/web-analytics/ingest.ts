import { open } from "node:fs/promises";
import type { Client } from "../../cli/client.ts";
import { formatPosition, type Position, parsePosition } from "../../views/cut.ts";
import { type Traffic, type TrafficLines, traffic } from "./traffic.ts";

const eventsPerRequest = 50_000;

/** How far the ingest is; counts what was sent. */
export interface Ingested {
  readonly sent: number;
  readonly late: number;
  readonly again: number;
  /** The latest event time sent, in milliseconds since the epoch. */
  readonly latestTime: number;
  /** Where what was acknowledged ends, in every partition that has any; "" before the first request was. */
  readonly position: string;
}

export interface Ingest extends Traffic {
  /** A new file that takes every line that is sent, in the order in which they are sent. */
  readonly file: string;
  /** How many times to stop on the way, at even distances; the end is one of them. */
  readonly stops: number;
  readonly progress: (ingested: Ingested) => void;
  /** Nothing is sent until it resolves; all that was sent is in the file, and acknowledged. */
  readonly atStop: (ingested: Ingested) => Promise<void>;
}

/** Sends the traffic, request after request, and throws if an event is not accepted. */
export async function ingestTraffic(client: Client, ingest: Ingest): Promise<Ingested> {
  const { file, stops, progress, atStop, events } = ingest;
  await using lines = await open(file, "wx");
  const pieces = traffic(ingest);
  let ingested: Ingested = { sent: 0, late: 0, again: 0, latestTime: 0, position: "" };
  async function* nextRequest(next: number) {
    while (ingested.sent < next) {
      const { value, done } = pieces.next() as IteratorResult<TrafficLines, undefined>;
      if (done) return;
      await lines.writeFile(value.bytes);
      ingested = {
        ...ingested,
        sent: ingested.sent + value.events,
        late: ingested.late + value.late,
        again: ingested.again + value.again,
        latestTime: value.latestTime,
      };
      progress(ingested);
      yield value.bytes;
    }
  }
  let reached: Position = new Map();
  while (ingested.sent < events) {
    const before = ingested.sent;
    const stopAt = Math.floor((events * (Math.floor((before * stops) / events) + 1)) / stops);
    const body = nextRequest(Math.min(before + eventsPerRequest, stopAt));
    const { accepted, rejected, position } = await client.ingest({
      body,
      contentType: "application/x-ndjson",
    });
    if (accepted !== ingested.sent - before) {
      const reason = rejected[0] === undefined ? "" : `: ${rejected[0].code}: ${rejected[0].message}`;
      throw new Error(`sent ${ingested.sent - before} events, ${accepted} were accepted${reason}`);
    }
    reached = furthest(reached, parsePosition(position));
    ingested = { ...ingested, position: formatPosition(reached) };
    progress(ingested);
    if (ingested.sent >= stopAt) await atStop(ingested);
  }
  return ingested;
}

/** An answer names the partitions alone that its request had records for. */
function furthest(before: Position, now: Position): Position {
  const topics = new Set([...before.keys(), ...now.keys()]);
  return new Map(
    [...topics].map((topic) => [topic, new Map([...(before.get(topic) ?? []), ...(now.get(topic) ?? [])])]),
  );
}
