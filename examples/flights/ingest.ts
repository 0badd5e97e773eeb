import type { Client } from "../../cli/client.ts";
import { type FlightLines, replay } from "./flights.ts";

const eventsPerRequest = 100_000;

/** How far the ingest is; counts what was sent. */
export interface Ingested {
  readonly sent: number;
  readonly late: number;
  /** The latest event time sent, in milliseconds since the epoch. */
  readonly latestTime: number;
  /** Of the last request that was acknowledged; "" before the first. */
  readonly position: string;
}

/** Sends the first `limit` flights, request after request, and throws if one of them is not accepted. */
export async function ingestFlights(
  client: Client,
  limit: number,
  progress: (ingested: Ingested) => void,
): Promise<Ingested> {
  const pieces = replay({ limit });
  let ingested: Ingested = { sent: 0, late: 0, latestTime: 0, position: "" };
  let isDone = false;
  async function* nextRequest() {
    for (let sent = 0; sent < eventsPerRequest; ) {
      const { value, done } = (await pieces.next()) as IteratorResult<FlightLines, undefined>;
      if (done) {
        isDone = true;
        return;
      }
      sent += value.events;
      ingested = {
        ...ingested,
        sent: ingested.sent + value.events,
        late: ingested.late + value.late,
        latestTime: Math.max(ingested.latestTime, value.latestTime),
      };
      progress(ingested);
      yield value.bytes;
    }
  }
  try {
    while (!isDone && ingested.sent < limit) {
      const before = ingested.sent;
      const answer = await client.ingest({ body: nextRequest(), contentType: "application/x-ndjson" });
      const { accepted, rejected, position } = answer;
      if (accepted !== ingested.sent - before) {
        const reason = rejected[0] === undefined ? "" : `: ${rejected[0].code}: ${rejected[0].message}`;
        throw new Error(`sent ${ingested.sent - before} flights, ${accepted} were accepted${reason}`);
      }
      ingested = { ...ingested, position };
      progress(ingested);
    }
  } finally {
    await pieces.return(undefined);
  }
  return ingested;
}
