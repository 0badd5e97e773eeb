import fc from "fast-check";
import { expect, test } from "vitest";
import { RecordReader } from "../../infra/log/record-reader.ts";
import { archivedLines, loggedLines, type SentBatch } from "../../infra/master/sent-events.ts";
import { Archiver } from "../../ingestion/archive.ts";
import { offset } from "../../views/cut.ts";
import { defineApp, defineEvent, Type } from "../../views/index.ts";
import { ArchiveHere } from "./archive-here.ts";

const basket = defineEvent({
  name: "test.basket.paid",
  schema: Type.Object({
    opened: Type.Time(),
    ad: Type.Optional(Type.Object({ campaign: Type.String(), cents: Type.Optional(Type.Integer()) })),
    tags: Type.Optional(Type.Array(Type.String())),
    seen: Type.Array(Type.Time()),
    items: Type.Optional(
      Type.Array(Type.Object({ sku: Type.String(), kilos: Type.Optional(Type.Number()) })),
    ),
  }),
  partitions: 1,
});
const app = defineApp({ name: "baskets", views: [], events: [basket] });
const topics = [{ name: basket.name, partitions: 1 }];

const time = fc.oneof(
  fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }).map((date) => date.toISOString()),
  fc.constant("2024-05-01T11:00:00+02:00"),
);
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const text = fc.string({ unit: "grapheme", maxLength: 4 });
const data = fc.record({
  opened: time,
  ad: optional(fc.record({ campaign: text, cents: optional(fc.maxSafeInteger()) })),
  tags: optional(fc.array(text, { maxLength: 3 })),
  seen: fc.array(time, { maxLength: 3 }),
  items: optional(
    fc.array(fc.record({ sku: text, kilos: optional(fc.double({ noNaN: true, noDefaultInfinity: true })) }), {
      maxLength: 3,
    }),
  ),
});
const record = fc.oneof(
  { weight: 1, arbitrary: fc.constant("garbage") },
  {
    weight: 9,
    arbitrary: fc
      .record({
        envelope: fc.record({ id: fc.uuid(), source: text.map((t) => `s${t}`), time, data }),
        extra: optional(fc.record({ subject: text, note: fc.array(fc.integer()) })),
        indent: fc.constantFrom(0, 2),
      })
      .map(({ envelope, extra, indent }) =>
        JSON.stringify({ ...envelope, type: basket.name, ...extra }, null, indent),
      ),
  },
);

test("what is written of files and of the log is the events as they came, in order, each on a line", async () => {
  await using here = await ArchiveHere.open();
  const { duckdb, connection } = here;
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 12 }), fc.nat(12), async (texts, cut) => {
      const [log, master] = [await here.log(topics), await here.master(topics)];
      await log.append(
        texts.map((value) => ({ topic: basket.name, partition: 0, key: null, value: Buffer.from(value) })),
      );
      const archiver = new Archiver({ app, log, master, duckdb, recordsPerFile: 5, onInvalid: () => {} });
      await archiver.archive({ [basket.name]: [offset(Math.min(cut, texts.length))] });
      const archived = (await master.cut())[basket.name]?.[0] ?? offset(0);
      const lines = [
        ...(await linesOf(archivedLines(connection, master, basket, 0))),
        ...(await linesOf(loggedLines(log, basket, 0, archived))),
      ];
      const reader = new RecordReader(basket, 0);
      const read = (value: string) =>
        reader.archived({
          ...{ offset: offset(0), key: null, value: Buffer.from(value) },
          ...{ headers: undefined, timestampMs: undefined },
        });
      expect(lines.filter((line) => line.includes("\n"))).toEqual([]);
      const events = texts.filter((value) => value !== "garbage");
      expect(lines.map((line) => read(line).event)).toEqual(events.map((value) => read(value).event));
      const extras = (values: readonly string[]) =>
        values.map((value) => {
          const { subject, note } = JSON.parse(value);
          return [subject, note];
        });
      expect(extras(lines)).toEqual(extras(events));
    }),
    { numRuns: 40 },
  );
});

async function linesOf(batches: AsyncIterable<SentBatch>): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const batch of batches) lines.push(...batch.lines);
  return lines;
}
