import { formatCount } from "../../cli/quantity.ts";
import flights, { flight } from "../../examples/flights/app.ts";
import { alternateAll, atLeast, type Row, settle } from "../rounds.ts";
import { type Folding, foldTopic } from "./folded.ts";
import { readRaw } from "./raw-consumer.ts";

const rounds = 3;

/** Records of a topic to published states of three views, against kafkajs that reads the topic. */
export async function benchConsumption(
  folding: Omit<Folding, "app" | "type">,
  brokers: readonly string[],
): Promise<readonly Row[]> {
  const { events } = folding;
  const timed = async (work: () => Promise<number>) => {
    settle();
    return (events * 1000) / (await work());
  };
  const ours = () => timed(() => foldTopic({ ...folding, app: flights, type: flight }));
  let parsed = 0;
  const parse = (value: Buffer) => {
    if ((JSON.parse(value.toString()) as { readonly id: string }).id !== "") parsed++;
  };
  const raw = () => timed(() => readRaw(brokers, flight.name, events, undefined));
  const parsing = () => timed(() => readRaw(brokers, flight.name, events, parse));
  await ours();
  await parsing();
  const [bytes, json] = await alternateAll(rounds, ours, [raw, parsing]);
  if (bytes === undefined || json === undefined || parsed === 0) throw new Error("nothing was read");
  const what = "speed layer on Kafka: three views folded and published";
  const detail = ({ ours: rate, theirs }: typeof bytes) =>
    `${formatCount(Math.round(rate))} against ${formatCount(Math.round(theirs))} events/s`;
  return [
    {
      ...{ what, against: "kafkajs `eachBatch` that reads the same records and does nothing" },
      ...{ mark: atLeast(0.7), aim: atLeast(1), measured: bytes.ratio, detail: detail(bytes) },
    },
    {
      ...{ what, against: "kafkajs `eachBatch` and a bare `JSON.parse`" },
      ...{ mark: atLeast(0.7), aim: atLeast(1), measured: json.ratio, detail: detail(json) },
    },
  ];
}
