import type { KafkaRequest } from "./broker-connection.ts";
import { WireReader, WireWriter } from "./wire.ts";

export type TopicConfig = Readonly<Record<string, string>>;

/** What Kafka said to a change of each topic. */
export interface TopicAnswers {
  readonly answers: readonly {
    readonly topic: string;
    readonly errorCode: number;
    readonly message: string | null;
  }[];
}

export interface NewTopic {
  readonly name: string;
  readonly partitions: number;
  readonly replication: number;
  readonly config: TopicConfig;
}

const timeoutMs = 10_000;

/** CreateTopics v2. Kafka says that it is made before all brokers know of it. */
export function createTopicsRequest(topics: readonly NewTopic[]): KafkaRequest<TopicAnswers> {
  const writer = new WireWriter();
  writer.array(topics, ({ name, partitions, replication, config }) => {
    writer.text(name).int32(partitions).int16(replication);
    writer.int32(0); // no assignment of our own
    writer.array(Object.entries(config), ([key, value]) => writer.text(key).text(value));
  });
  writer.int32(timeoutMs).int8(0);
  return {
    apiKey: 19,
    apiVersion: 2,
    apiName: "CreateTopics",
    payload: writer.written(),
    decode(response) {
      const reader = new WireReader(response);
      reader.int32(); // throttle time
      return {
        answers: reader.array(() => {
          const topic = reader.text() ?? "";
          return { topic, errorCode: reader.int16(), message: reader.text() };
        }),
      };
    },
  };
}

/** DeleteTopics v1. */
export function deleteTopicsRequest(topics: readonly string[]): KafkaRequest<TopicAnswers> {
  const writer = new WireWriter();
  writer.array(topics, (name) => writer.text(name)).int32(timeoutMs);
  return {
    apiKey: 20,
    apiVersion: 1,
    apiName: "DeleteTopics",
    payload: writer.written(),
    decode(response) {
      const reader = new WireReader(response);
      reader.int32(); // throttle time
      return {
        answers: reader.array(() => ({
          topic: reader.text() ?? "",
          errorCode: reader.int16(),
          message: null,
        })),
      };
    },
  };
}

const topicResource = 2;

/** DescribeConfigs v1: by topic, what is in force, whoever said so. */
export function describeTopicsRequest(
  topics: readonly string[],
  names: readonly string[],
): KafkaRequest<{ readonly configs: ReadonlyMap<string, TopicConfig> }> {
  const writer = new WireWriter();
  writer.array(topics, (topic) => {
    writer.int8(topicResource).text(topic);
    writer.array(names, (name) => writer.text(name));
  });
  writer.int8(0);
  return {
    apiKey: 32,
    apiVersion: 1,
    apiName: "DescribeConfigs",
    payload: writer.written(),
    decode(response) {
      const reader = new WireReader(response);
      reader.int32(); // throttle time
      return { configs: new Map(reader.array(() => decodeConfig(reader))) };
    },
  };
}

/** IncrementalAlterConfigs v0: sets these, and leaves all others as they are. */
export function alterTopicsRequest(changes: ReadonlyMap<string, TopicConfig>): KafkaRequest<TopicAnswers> {
  const set = 0;
  const writer = new WireWriter();
  writer.array([...changes], ([topic, config]) => {
    writer.int8(topicResource).text(topic);
    writer.array(Object.entries(config), ([name, value]) => writer.text(name).int8(set).text(value));
  });
  writer.int8(0);
  return {
    apiKey: 44,
    apiVersion: 0,
    apiName: "IncrementalAlterConfigs",
    payload: writer.written(),
    decode(response) {
      const reader = new WireReader(response);
      reader.int32(); // throttle time
      return {
        answers: reader.array(() => {
          const errorCode = reader.int16();
          const message = reader.text();
          reader.int8();
          return { topic: reader.text() ?? "", errorCode, message };
        }),
      };
    },
  };
}

function decodeConfig(reader: WireReader): [string, TopicConfig] {
  reader.int16(); // an error leaves the entries away
  reader.text();
  reader.int8();
  const topic = reader.text() ?? "";
  const config: Record<string, string> = {};
  reader.array(() => {
    const name = reader.text() ?? "";
    config[name] = reader.text() ?? "";
    reader.int8(); // read only
    reader.int8(); // source
    reader.int8(); // sensitive
    reader.array(() => {
      reader.text();
      reader.text();
      reader.int8();
    });
  });
  return [topic, config];
}
