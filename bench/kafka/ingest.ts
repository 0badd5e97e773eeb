import { Kafka, logLevel, type Message } from "kafkajs";
import type { Client } from "../../cli/client.ts";
import { formatCount } from "../../cli/quantity.ts";
import { type Lines, loadLines, splitLines } from "../lines.ts";
import { alternate, atLeast, type Row, settle } from "../rounds.ts";

const rounds = 3;
const eventsPerRound = 100_000;
const warmUpEvents = 50_000;

/** How many events `benchKafkaIngest` leaves in the topic of flights. */
export const ingestedEvents = warmUpEvents + rounds * eventsPerRound;

/** What kafkajs sends at once, and how often at the same time: more of either did not make it faster. */
const messagesPerSend = 2_000;
const sendsUnderWay = 3;

/** Events acknowledged per second by a gateway on Kafka, against kafkajs that produces the same bytes under the same keys. */
export async function benchKafkaIngest(
  gateway: Client,
  brokers: readonly string[],
  topic: string,
): Promise<Row> {
  const producer = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).producer();
  await producer.connect();
  try {
    const loads = [await loadLines(0, warmUpEvents)];
    for (let round = 0; round < rounds; round++) {
      loads.push(await loadLines(warmUpEvents + round * eventsPerRound, eventsPerRound));
    }
    const ours = ({ pieces, events }: Lines) =>
      rateOf(events, async () => {
        const { accepted } = await gateway.ingest({ body: pieces, contentType: "application/x-ndjson" });
        if (accepted !== events) throw new Error(`${accepted} of ${events} events were accepted`);
      });
    const theirs = (lines: Lines) => {
      const messages = messagesOf(lines);
      const send = (some: Message[]) => producer.send({ topic, acks: -1, messages: some });
      return rateOf(lines.events, () => produceAll(messages, send));
    };
    const [warmUp, ...ofRounds] = loads;
    const load = (round: number) => ofRounds[round] ?? { pieces: [], events: 0 };
    if (warmUp !== undefined) {
      await ours(warmUp);
      await theirs(warmUp);
    }
    const measured = await alternate(
      rounds,
      (round) => ours(load(round)),
      (round) => theirs(load(round)),
    );
    return {
      what: "ingest by HTTP NDJSON into Kafka, acknowledged by all replicas in sync",
      against: "kafkajs that produces the same bytes, acks=-1",
      mark: atLeast(0.7),
      aim: atLeast(1),
      measured: measured.ratio,
      detail: `${formatCount(Math.round(measured.ours))} against ${formatCount(Math.round(measured.theirs))} events/s`,
    };
  } finally {
    await producer.disconnect();
  }
}

/** Made beforehand: the gateway finds out the key of an event, a producer that sends bytes has it. */
function messagesOf(lines: Lines): Message[] {
  return splitLines(lines).map((value) => ({
    key: (JSON.parse(value.toString()) as { readonly data: { readonly origin: string } }).data.origin,
    value,
  }));
}

async function produceAll(messages: Message[], send: (some: Message[]) => Promise<unknown>): Promise<void> {
  let at = 0;
  const sender = async () => {
    while (at < messages.length) {
      const some = messages.slice(at, at + messagesPerSend);
      at += messagesPerSend;
      await send(some);
    }
  };
  await Promise.all(Array.from({ length: sendsUnderWay }, sender));
}

async function rateOf(events: number, work: () => Promise<void>): Promise<number> {
  settle();
  const startedAt = performance.now();
  await work();
  return (events * 1000) / (performance.now() - startedAt);
}
