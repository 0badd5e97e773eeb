import { mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Kafka, logLevel } from "kafkajs";
import { KafkaNode } from "./kafka-node.ts";
import type { KafkaProgram } from "./kafka-program.ts";
import { freePorts } from "./ports.ts";

/**
 * With the classes of a broker in one file, as the JVM maps it into memory, a broker starts in half the time. The file is
 * made beside the jars, once for each version of Java, by a broker that writes it as it ends. An empty file says that
 * this JVM makes none.
 */
export async function withClassArchive(
  program: KafkaProgram,
  report: (what: string) => void = () => undefined,
): Promise<KafkaProgram> {
  const archive = join(program.folder, `classes-${program.javaVersion}.jsa`);
  if ((await sizeOf(archive)) === undefined) {
    report("Kafka: archiving its classes, once, so that it starts faster");
    await makeArchive(program, archive);
  }
  if ((await sizeOf(archive)) === 0) return program;
  return { ...program, options: [...program.options, `-XX:SharedArchiveFile=${archive}`] };
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.size;
}

async function makeArchive(program: KafkaProgram, archive: string): Promise<void> {
  const folder = await mkdtemp(`${archive}.`);
  const draft = join(folder, "classes.jsa");
  const [port = 0, controllerPort = 0] = await freePorts(2);
  const settings = { id: 1, port, controllerPort, folder: join(folder, "broker-1") };
  const options = [
    ...program.options,
    `-XX:ArchiveClassesAtExit=${draft}`,
    "-Xlog:cds=off",
    "-Xlog:cds+dynamic=off",
  ];
  const node = await KafkaNode.create({ ...program, options }, settings, [settings], {});
  try {
    await node.start();
    await work(node.address);
    await node.stop(120_000);
    if ((await sizeOf(draft)) === undefined) await writeFile(draft, "");
    await rename(draft, archive);
  } finally {
    await node.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

/** A little of what brokers do, so that the classes for it are loaded. */
async function work(address: string): Promise<void> {
  const topic = "classes";
  const kafka = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  const producer = kafka.producer();
  await admin.connect();
  await producer.connect();
  await admin.createTopics({ topics: [{ topic }], waitForLeaders: false });
  await producer.send({ topic, acks: -1, messages: [{ value: "" }] });
  await admin.setOffsets({ groupId: topic, topic, partitions: [{ partition: 0, offset: "1" }] });
  await producer.disconnect();
  await admin.disconnect();
}
