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
  // Handled is what has left the process: were it only on its way, it would be committed and lost with the process.
  eachMessage: ({ partition, message: { offset } }) =>
    new Promise((resolve) => process.stdout.write(`${partition} ${offset}\n`, () => resolve())),
});
