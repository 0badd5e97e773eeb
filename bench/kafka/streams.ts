import { randomUUID } from "node:crypto";
import { formatCount } from "../../cli/quantity.ts";
import type { Append, Log } from "../../infra/log/log.ts";
import { decodeTailRecord, tailTopic } from "../../infra/tail/tail-record.ts";
import { partitionOf } from "../../views/partition.ts";
import { type Lines, loadLines, splitLines } from "../lines.ts";
import { alternateAll, type Row, settle, unbounded } from "../rounds.ts";
import countApp, { counted } from "./count-app.ts";
import { foldTopic } from "./folded.ts";
import { LocalFolder } from "./folder.ts";
import { noGenerations } from "./no-generations.ts";
import type { StreamsProgram } from "./streams-program.ts";
import { measureVisibility, type Visibility, type Waits } from "./visibility.ts";

const rounds = 3;
const events = 150_000;
const followedEvents = 100_000;

export interface StreamsBench {
  /** Has the topic of `counted`, its tail topic, and the output. */
  readonly log: Log;
  readonly streams: StreamsProgram;
  /** Where Kafka Streams tells its counts. */
  readonly output: string;
  /** Starts a speed worker in a process of its own, which ends when it is disposed of. */
  readonly startSpeed: () => Promise<AsyncDisposable>;
}

/** Counts per key and hour: our speed layer with this one view, next to Kafka Streams. */
export async function benchStreams(bench: StreamsBench): Promise<readonly Row[]> {
  for (let from = 0; from < events; from += 50_000) {
    await appendAll(bench.log, appendsOf(await loadLines(from, 50_000)));
  }
  return [...(await benchRate(bench)), await benchFreshness(bench)];
}

async function benchRate({ log, streams, output }: StreamsBench): Promise<readonly Row[]> {
  const worker = new LocalFolder({ app: countApp, type: counted, log, generations: noGenerations });
  const ours = async () => {
    settle();
    return (events * 1000) / (await foldTopic(log, counted, [worker]));
  };
  const theirs = (guarantee: Guarantee) => async () => {
    const ms = await streams.ask("count", `bench.${randomUUID()}`, guarantee, counted.name, output, events);
    return (events * 1000) / Number(ms);
  };
  await ours();
  await theirs("exactly_once_v2")();
  const measured = await alternateAll(rounds, ours, guarantees.map(theirs));
  return measured.map(({ ours: rate, theirs: their, ratio }, i) => ({
    what: "count per key and hour on Kafka: the speed layer with this one view",
    against: `Kafka Streams, ${guarantees[i]}, commits every 100 ms`,
    mark: unbounded("×"),
    aim: unbounded("×"),
    measured: ratio,
    detail: `${formatCount(Math.round(rate))} against ${formatCount(Math.round(their))} events/s, one thread and counts in memory on either side`,
  }));
}

type Guarantee = "exactly_once_v2" | "at_least_once";

/** The first is what we give. */
const guarantees: readonly Guarantee[] = ["exactly_once_v2", "at_least_once"];

async function benchFreshness({ log, streams, output, startSpeed }: StreamsBench): Promise<Row> {
  const appends = appendsOf(await loadLines(events, followedEvents));
  const probed = { log, appends, probe };
  const theirs = await measureTheirs(streams, output, probed);
  await using _speed = await startSpeed();
  const ours = await measureVisibility({ ...probed, output: tailTopic(counted.name), keysIn: originsInTail });
  const shown = ({ p50, p99 }: Waits) => `p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`;
  return {
    what: "the same, freshness: acknowledged → published, 10,000 events/s",
    against: "Kafka Streams, exactly_once_v2, commits every 100 ms; p99 ÷ p99",
    mark: unbounded("×"),
    aim: unbounded("×"),
    measured: ours.p99 / theirs.p99,
    detail: `${shown(ours)} against ${shown(theirs)} over ${ours.probes} probes at ${formatCount(Math.round(ours.eventsPerSecond))} and ${formatCount(Math.round(theirs.eventsPerSecond))} events/s`,
  };
}

async function measureTheirs(
  streams: StreamsProgram,
  output: string,
  probed: Omit<Visibility, "output" | "keysIn">,
): Promise<Waits> {
  await streams.ask("follow", `bench.${randomUUID()}`, guarantees[0] ?? "", counted.name, output);
  const waits = await measureVisibility({
    ...probed,
    output,
    keysIn: ({ key }) => [key?.split("|")[0] ?? ""],
  });
  await streams.ask("stop");
  return waits;
}

function originsInTail({ value }: { readonly value: Uint8Array }): readonly string[] {
  const record = decodeTailRecord(value);
  return record.kind === "rows" ? record.rows.map(([[origin]]) => String(origin)) : [];
}

function probe(key: string): Append {
  const data = { origin: key, destination: "ORD", delay: 0, distance: 1 };
  const event = {
    id: randomUUID(),
    source: "/bench",
    type: counted.name,
    time: "2001-01-01T00:00:00Z",
    data,
  };
  return appendOf(key, Buffer.from(JSON.stringify(event)));
}

/** The flights under the name of our topic. */
function appendsOf(lines: Lines): Append[] {
  return splitLines(lines).map((line) => {
    const event = { ...(JSON.parse(line.toString()) as Line), type: counted.name };
    return appendOf(event.data.origin, Buffer.from(JSON.stringify(event)));
  });
}

interface Line {
  readonly data: { readonly origin: string };
}

function appendOf(key: string, value: Buffer): Append {
  return { topic: counted.name, partition: partitionOf(key, counted.partitions), key, value };
}

async function appendAll(log: Log, appends: readonly Append[]): Promise<void> {
  for (let at = 0; at < appends.length; at += 2_000) await log.append(appends.slice(at, at + 2_000));
}
