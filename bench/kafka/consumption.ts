import { availableParallelism } from "node:os";
import { formatCount } from "../../cli/quantity.ts";
import flights, { flight } from "../../examples/flights/app.ts";
import type { Lifecycle } from "../../infra/lifecycle.ts";
import type { Log } from "../../infra/log/log.ts";
import { type Alternated, alternate, alternateAll, atLeast, type Row, settle, unbounded } from "../rounds.ts";
import { foldTopic } from "./folded.ts";
import { type Folder, FolderProcess, LocalFolder } from "./folder.ts";
import { noGenerations } from "./no-generations.ts";
import { readRaw } from "./raw-consumer.ts";

const rounds = 3;

export interface ConsumptionBench {
  /** Has the topic of the flights and its tail topic. */
  readonly log: Log;
  readonly brokers: readonly string[];
  /** That stand in the topic. */
  readonly events: number;
}

/** Records of a topic to published states of three views, against kafkajs that reads the topic. */
export async function benchConsumption(
  { log, brokers, events }: ConsumptionBench,
  lifecycle: Lifecycle,
): Promise<readonly Row[]> {
  const rateOf = async (work: () => Promise<number>) => {
    settle();
    return (events * 1000) / (await work());
  };
  const folding = (workers: readonly Folder[]) => () => rateOf(() => foldTopic(log, flight, workers));
  let parsed = 0;
  const parse = (value: Buffer) => {
    if ((JSON.parse(value.toString()) as { readonly id: string }).id !== "") parsed++;
  };
  const raw = () => rateOf(() => readRaw(brokers, flight.name, events, undefined));
  const parsing = () => rateOf(() => readRaw(brokers, flight.name, events, parse));
  const single = folding([new LocalFolder({ app: flights, type: flight, log, generations: noGenerations })]);
  const cores = Math.min(availableParallelism(), flight.partitions);
  const processes = await Promise.all(Array.from({ length: cores }, () => FolderProcess.start(brokers)));
  for (const each of processes) lifecycle.use(each);
  const layer = folding(processes);
  for (const warmUp of [single, layer, parsing]) await warmUp();
  const ofLayer = await alternate(rounds, layer, raw);
  const [bytes, json] = await alternateAll(rounds, single, [raw, parsing]);
  if (bytes === undefined || json === undefined || parsed === 0) throw new Error("nothing was read");
  await Promise.all(processes.map((each) => each[Symbol.asyncDispose]()));
  const what = "speed layer on Kafka: three views folded and published";
  const nothing = "one kafkajs consumer whose `eachBatch` does nothing";
  return [
    row(`${what}, by a worker for each of ${cores} cores`, nothing, ofLayer, atLeast(0.7), atLeast(1)),
    row(`${what}, by one worker`, nothing, bytes),
    row(`${what}, by one worker`, "one kafkajs consumer whose `eachBatch` does `JSON.parse`", json),
  ];
}

function row(
  what: string,
  against: string,
  { ours, theirs, ratio }: Alternated,
  mark = unbounded(""),
  aim = unbounded(""),
): Row {
  const detail = `${formatCount(Math.round(ours))} against ${formatCount(Math.round(theirs))} events/s`;
  return { what, against, mark, aim, measured: ratio, detail };
}
