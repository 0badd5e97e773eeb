import type { Append } from "../../infra/log/log.ts";
import { defineApp, defineEvent, Type } from "../../views/index.ts";

export const thing = defineEvent({
  name: "test.thing.seen",
  schema: Type.Object({
    name: Type.String(),
    note: Type.Optional(Type.String()),
    whole: Type.Integer(),
    maybeWhole: Type.Optional(Type.Integer()),
    weight: Type.Optional(Type.Number()),
    flag: Type.Optional(Type.Boolean()),
  }),
  partitions: 3,
  duplicatesWithin: 10,
});

export const app = defineApp({ name: "things", views: [], events: [thing] });
export const topics = [{ name: thing.name, partitions: thing.partitions }];

/** What a test says of an event; all else of it is always the same. */
export interface Thing {
  readonly id: string;
  readonly source: string;
  readonly time: string;
  readonly partition: number;
  readonly data: Readonly<Record<string, unknown>>;
  /** Attributes of the envelope besides. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

export function textOf({ id, source, time, data, extra }: Thing): string {
  return JSON.stringify({ specversion: "1.0", id, source, type: thing.name, time, data, ...extra });
}

export function appendOf(event: Thing): Append {
  return { topic: thing.name, partition: event.partition, key: null, value: Buffer.from(textOf(event)) };
}

/** The n-th of a plain series, spread over the partitions. */
export function plainThing(n: number): Thing {
  const data = { name: `thing ${n}`, whole: n };
  return { id: `${n}`, source: "test", time: "2026-01-01T00:00:00Z", partition: n % thing.partitions, data };
}
