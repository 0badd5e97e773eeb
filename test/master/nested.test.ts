import { expect, test } from "vitest";
import { Check } from "../../cli/verify/check.ts";
import { checkMaster } from "../../cli/verify/master-check.ts";
import { Archiver } from "../../ingestion/archive.ts";
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

const opened = "2024-05-01T11:00:00+02:00";
const baskets = [
  { opened, seen: [] },
  { opened: "0001-01-01T00:00:00Z", ad: { campaign: "é" }, seen: [opened, "1969-12-31T23:59:59.999Z"] },
  { opened, ad: { campaign: "", cents: -3 }, tags: [], seen: [opened], items: [] },
  { opened, tags: ["a", ""], seen: [opened], items: [{ sku: "a" }, { sku: "b", kilos: -0 }] },
];

test("times, objects and lists stand in the master dataset as they are in the log", async () => {
  await using here = await ArchiveHere.open();
  const { duckdb, connection } = here;
  const [log, master] = [await here.log(topics), await here.master(topics)];
  await log.append(
    baskets.map((data, i) => {
      const event = { id: `${i}`, source: "s", type: basket.name, time: opened, data };
      return { topic: basket.name, partition: 0, key: null, value: Buffer.from(JSON.stringify(event)) };
    }),
  );
  const archiver = new Archiver({ app, log, master, duckdb });
  const end = await archiver.archive(await archiver.logEnd());
  const check = new Check("master");
  await checkMaster(check, app, log, master, end, { connection, reader: await duckdb.connect() });
  expect(check.problems).toEqual([]);
  expect(check.covered).toBe("4 records in 1 files");

  const [file] = await master.files(basket.name);
  const reader = await connection.runAndReadAll(
    `SELECT epoch_ms(opened), "ad.campaign", "ad.cents", tags, list_transform(seen, lambda t: epoch_ms(t)), "items.sku", "items.kilos"
     FROM read_parquet($1) ORDER BY _offset`,
    [file?.path ?? ""],
  );
  const ms = Date.parse(opened);
  expect(JSON.parse(JSON.stringify(reader.getRowsJson()))).toEqual([
    [`${ms}`, null, null, null, [], null, null],
    ["-62135596800000", "é", null, null, [`${ms}`, "-1"], null, null],
    [`${ms}`, "", "-3", [], [`${ms}`], [], []],
    [`${ms}`, null, null, ["a", ""], [`${ms}`], ["a", "b"], [null, 0]],
  ]);
});
