/** A speed worker of the flights for the bench, on the Kafka that the first argument names; ends with the one that started it. */
import flights, { flight } from "../../examples/flights/app.ts";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { Peer } from "../../infra/peer.ts";
import { channelToParent } from "../../infra/process-channel.ts";
import { tailTopic } from "../../infra/tail/tail-record.ts";
import { LocalFolder, type Share } from "./folder.ts";
import { noGenerations } from "./no-generations.ts";

const [brokers] = process.argv.slice(2);
const lifecycle = new Lifecycle();
const { name, partitions } = flight;
const log = lifecycle.use(
  await KafkaLog.open({
    settings: kafkaSettings({ KAFKA_BROKERS: brokers }),
    topics: [name, tailTopic(name)].map((topic) => ({ name: topic, partitions })),
  }),
);
const folder = new LocalFolder({ app: flights, type: flight, log, generations: noGenerations });
new Peer(channelToParent(), {
  ready: async () => null,
  fold: (share) => folder.fold(share as Share),
  rest: () => folder.rest(),
});
process.once("disconnect", async () => {
  await folder.rest();
  await lifecycle[Symbol.asyncDispose]();
});
