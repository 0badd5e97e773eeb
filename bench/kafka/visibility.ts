import type { Append, Log, LogRecord } from "../../infra/log/log.ts";
import { quantile } from "../rounds.ts";

export interface Visibility {
  readonly log: Log;
  /** The events to send, in order; of one topic. */
  readonly appends: readonly Append[];
  /** An event under a key that no other has. */
  readonly probe: (key: string) => Append;
  /** Where results are told. */
  readonly output: string;
  /** The keys that a record of it tells of. */
  readonly keysIn: (record: LogRecord) => readonly string[];
}

export interface Waits {
  readonly p50: number;
  readonly p99: number;
  readonly probes: number;
  readonly eventsPerSecond: number;
}

const appendEveryMs = 10;
const eventsPerAppend = 100;
/** Every so many appends has a probe. */
const probeEvery = 4;
/** The probes of so long do not count. */
const warmUpMs = 3_000;

/** Milliseconds from the acknowledgement of an event until its key is read in the output, at 10,000 events/s. */
export async function measureVisibility(visibility: Visibility): Promise<Waits> {
  const { log, appends, probe, output, keysIn } = visibility;
  const seen = new Map<string, (at: number) => void>();
  const sighting = (key: string) =>
    new Promise<number>((resolve) => {
      seen.set(key, resolve);
    });
  const positions = [...(await log.nexts(output))];
  await using consumer = log.consume({
    topic: output,
    position: (partition) => positions[partition] as (typeof positions)[number],
    handle: ({ partition, next, records }) => {
      positions[partition] = next;
      for (const record of records) {
        for (const key of keysIn(record)) {
          seen.get(key)?.(performance.now());
          seen.delete(key);
        }
      }
    },
  });
  const send = async (key: string, events: readonly Append[]) => {
    const sighted = sighting(key);
    await log.append([...events, probe(key)]);
    const acknowledgedAt = performance.now();
    // It may be read before its acknowledgement is.
    return Math.max(
      0,
      (await Promise.race([sighted, consumer.done.then(() => Number.NaN)])) - acknowledgedAt,
    );
  };
  // Whatever came before it is done with.
  await send("first", []);
  const waits: Promise<number>[] = [];
  const others: Promise<unknown>[] = [];
  const startedAt = performance.now();
  for (let i = 0; i * eventsPerAppend < appends.length; i++) {
    const dueAt = startedAt + i * appendEveryMs;
    while (performance.now() < dueAt) await new Promise((resolve) => setTimeout(resolve, 1));
    const events = appends.slice(i * eventsPerAppend, (i + 1) * eventsPerAppend);
    const isProbe = i % probeEvery === 0;
    const sent = isProbe ? send(`probe-${i}`, events) : log.append(events);
    sent.catch(() => {});
    if (isProbe && i * appendEveryMs >= warmUpMs) waits.push(sent as Promise<number>);
    else others.push(sent);
  }
  await Promise.all(others);
  const measured = await Promise.all(waits);
  const eventsPerSecond = (appends.length * 1000) / (performance.now() - startedAt);
  return {
    p50: quantile(measured, 0.5),
    p99: quantile(measured, 0.99),
    probes: measured.length,
    eventsPerSecond,
  };
}
