import { Kafka, logLevel } from "kafkajs";

/** A consumer group of one, for a test that kills it: says partition and offset of each record it has handled, then commits. */
const [brokers = "", topic = "", groupId = "", sessionMs = ""] = process.argv.slice(2);
const kafka = new Kafka({ brokers: brokers.split(","), logLevel: logLevel.NOTHING });
const consumer = kafka.consumer({
  groupId,
  sessionTimeout: Number(sessionMs),
  heartbeatInterval: Number(sessionMs) / 10,
  maxWaitTimeInMs: 50,
});
await consumer.connect();
await consumer.subscribe({ topics: [topic], fromBeginning: true });
await consumer.run({
  autoCommitThreshold: 50,
  eachMessage: async ({ partition, message: { offset } }) => {
    process.stdout.write(`${partition} ${offset}\n`);
  },
});
