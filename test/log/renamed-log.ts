import type { Consumption, Log, LogBatch } from "../../infra/log/log.ts";
import type { Offset, Position } from "../../views/cut.ts";

/** The same log under other names of its topics: those of a contract, where the broker is shared and names must be new. */
export function renamedLog(log: Log, names: ReadonlyMap<string, string>): Log {
  const inner = (topic: string) => names.get(topic) ?? topic;
  const outer = (topic: string) => [...names].find(([, name]) => name === topic)?.[0] ?? topic;
  const shown = (batch: LogBatch): LogBatch => ({ ...batch, topic: outer(batch.topic) });
  return {
    topics: log.topics.map((topic) => ({ ...topic, name: outer(topic.name) })),
    async append(records): Promise<Position> {
      const position = await log.append(records.map((record) => ({ ...record, topic: inner(record.topic) })));
      return new Map([...position].map(([topic, nexts]) => [outer(topic), nexts]));
    },
    starts: (topic) => log.starts(inner(topic)),
    nexts: (topic) => log.nexts(inner(topic)),
    async *read(topic: string, partition: number, from: Offset, next: Offset) {
      for await (const batch of log.read(inner(topic), partition, from, next)) yield shown(batch);
    },
    consume: (consumption: Consumption) =>
      log.consume({
        ...consumption,
        topic: inner(consumption.topic),
        position: (partition) => consumption.position(partition),
        handle: (batch) => consumption.handle(shown(batch)),
      }),
    trim: (topic, partition, before) => log.trim(inner(topic), partition, before),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}
