import { describe, expect, test } from "vitest";
import { RecordReader } from "../../infra/log/record-reader.ts";
import { offset } from "../../views/cut.ts";
import { Decoder, parseEnvelope } from "../../views/decoder.ts";
import { defineChanges, defineEvent, Type } from "../../views/index.ts";
import { recordType, withFormer } from "../../views/recorded-type.ts";
import { compareTypes } from "../../views/schema-change.ts";
import { ada, change, noon, orderChanges, orderRow, postgres, record, withSchema } from "./orders.ts";

const reader = new RecordReader(orderChanges, 1);

function refusal(value: unknown, of = reader): string {
  try {
    of.event(record(value));
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code}: ${message}`;
  }
  return "taken";
}

const inserted = change("c", 2_000, { after: ada });
const row = {
  ...{ id: 7, country: "NO", status: "open", cents: 4000 },
  ...{ placed: Date.parse("2024-05-01T11:59:58.123Z"), weight: 1.5, gift: false },
};
const event = {
  ...{ id: '2000/c/{"id":7}', source: "/debezium/postgresql/shop", type: "shop.public.orders" },
  ...{ time: noon + 2_000, key: '{"id":7}', data: { ...row, __op: "c" } },
};

describe("a change from Kafka", () => {
  test("is an event whose fields are the row's columns, nulls left out, named by the source's position and the row", () => {
    expect(reader.event(record(inserted))).toEqual(event);
  });

  test("is the same with the converter's schema around it, and with headers of Debezium's own", () => {
    expect(reader.event(record(withSchema(inserted)))).toEqual(event);
    const headers = { "__debezium.context.connectorName": "postgresql" };
    expect(reader.event(record(inserted, headers))).toEqual(event);
  });

  test("is the same when it is read again from what the master dataset keeps of it, before-image and all", () => {
    const updated = change("u", 2_001, { before: { ...ada, status: "cart" }, after: ada });
    const { event: archived, rest } = reader.archived(record(withSchema(updated)));
    expect(new Decoder([orderChanges]).decode(rest ?? "")).toEqual(archived);
    expect(JSON.parse(rest ?? "")).toMatchObject({
      id: '2001/u/{"id":7}',
      data: { payload: { before: { status: "cart" }, source: { txId: 756 } } },
    });
  });

  test.each(["c", "u", "r"])("%s: gives the row as it is after", (op) => {
    const { id, data } = reader.event(record(change(op, 3, { after: { ...ada, status: "paid" } })));
    expect([id, data]).toEqual([`3/${op}/{"id":7}`, { ...row, status: "paid", __op: op }]);
  });

  test("d: gives no more than the key, whatever there is of the row before", () => {
    for (const before of [ada, { id: 7 }, { id: 7, country: "", status: null, cents: 0 }]) {
      const { id, key, data } = reader.event(record(change("d", 4, { before })));
      expect({ id, key, data }).toEqual({
        ...{ id: '4/d/{"id":7}', key: '{"id":7}' },
        data: { id: 7, __op: "d" },
      });
    }
  });

  test("a key that is changed makes two events at one position of the source", () => {
    const gone = reader.event(record(change("d", 9, { before: ada })));
    const come = reader.event(record(change("c", 9, { after: { ...ada, id: 8 } })));
    expect([gone.id, come.id]).toEqual(['9/d/{"id":7}', '9/c/{"id":8}']);
  });

  test("the time is the source's; where it does not know, the connector's", () => {
    const timeOf = (value: unknown) => reader.event(record(value)).time;
    expect(timeOf(change("r", 5, { after: ada, source: postgres(5, { ts_ms: 0 }) }))).toBe(noon + 255);
    expect(timeOf({ op: "r", after: ada, source: postgres(5, { ts_ms: null }) })).toBe(noon + 999_000);
  });

  test("positions of MySQL and SQL Server name events, too; of other sources it is the place in the log", () => {
    const idOf = (source: object) => reader.event(record(change("u", 1, { after: ada, source }))).id;
    const mysql = { server_id: 223344, gtid: null, file: "mysql-bin.000003", pos: 484, row: 1 };
    expect(idOf({ connector: "mysql", name: "shop", ...mysql })).toBe(
      '223344:mysql-bin.000003:484:1/u/{"id":7}',
    );
    const lsns = { change_lsn: "00000027:00000758:0003", commit_lsn: "00000027:00000758:0005" };
    expect(idOf({ connector: "sqlserver", name: "shop", ...lsns, event_serial_no: 2 })).toBe(
      '00000027:00000758:0005:00000027:00000758:0003:2/u/{"id":7}',
    );
    expect(idOf({ connector: "vitess", name: "shop", vgtid: "x" })).toBe("shop.public.orders@1:5");
    expect(idOf({ connector: "constructor" })).toBe("shop.public.orders@1:5");
  });

  test("a long value that an update did not touch is taken from the row before", () => {
    const note = "__debezium_unavailable_value";
    const long = { ...ada, note };
    const { data } = reader.event(record(change("u", 6, { before: { ...ada, note: "long" }, after: long })));
    expect(data).toEqual({ ...row, note: "long", __op: "u" });
    for (const before of [null, { id: 7 }, long]) {
      expect(refusal(change("u", 6, { before, after: long }))).toMatch(
        /^TIDEMARK_EVENT_DATA: .*column "note" was not sent: .*REPLICA IDENTITY FULL/,
      );
    }
    expect(refusal(change("u", 6, { after: { ...ada, note: btoa(note) } }))).toMatch(/not sent/);
  });

  test("a column that the type does not name is kept, and not seen", () => {
    const { rest, event: seen } = reader.archived(
      record(change("c", 2_000, { after: { ...ada, ["__proto__"]: 1, colour: "red" } })),
    );
    expect(seen.data).toMatchObject({ ...row, __op: "c" });
    expect(Object.getPrototypeOf(seen.data)).toBe(Object.prototype);
    expect(rest).toContain('"colour":"red"');
  });

  test("a tombstone says nothing; of any other type of events it is an error", () => {
    expect(reader.saysNothing(record(undefined))).toBe(true);
    expect(reader.saysNothing(record(inserted))).toBe(false);
    const other = defineEvent({ name: "shop.order.placed", schema: Type.Object({ id: Type.Integer() }) });
    expect(new RecordReader(other, 1).saysNothing(record(undefined))).toBe(false);
  });

  test("an envelope of ours around a change has its own id, source and time", () => {
    const own = { id: "1", source: "/mine", type: orderChanges.name, time: "2024-05-02T00:00:00Z" };
    expect(reader.event(record({ ...own, data: inserted }))).toEqual({
      ...{ ...event, ...own, time: Date.parse(own.time) },
    });
    expect(reader.event(record({ type: orderChanges.name, data: withSchema(inserted) }))).toEqual(event);
  });

  test("the columns of a key are in its order, and so are they in the event's own key", () => {
    const lines = defineChanges({
      name: "shop.public.order_lines",
      row: Type.Object({ line: Type.Integer(), sku: Type.String(), order_id: Type.String() }),
      key: ["order_id", "line"],
    });
    const after = { line: 2, sku: "tea", order_id: 'a"b' };
    const { key, id } = new RecordReader(lines, 0).event(record(change("c", 1, { after })));
    expect([key, id]).toEqual(['{"order_id":"a\\"b","line":2}', '1/c/{"order_id":"a\\"b","line":2}']);
  });
});

test.each<[string, unknown, RegExp]>([
  ["a truncate", change("t", 1, {}), /^TIDEMARK_CHANGE_TRUNCATE: table shop.public.orders was truncated/],
  ["a message", change("m", 1, {}), /^TIDEMARK_EVENT_DATA: .*"op" is "m"/],
  ["a row alone", ada, /^TIDEMARK_EVENT_DATA: .*must be a change/],
  ["a text", "x", /^TIDEMARK_EVENT_(ENVELOPE|DATA): .*"source"/],
  ["an insert of nothing", change("c", 1, {}), /"after" is missing/],
  ["a delete of nobody knows what", change("d", 1, {}), /"before" lacks "id"/],
  ["a delete without the key's value", change("d", 1, { before: { id: null } }), /"before" lacks "id"/],
  ["a delete by a key of another type", change("d", 1, { before: { id: "7" } }), /id must be integer/],
  ["a column of another type", change("u", 1, { after: { ...ada, cents: "12.50" } }), /cents must be/],
  [
    "a null that the row rules out",
    change("u", 1, { after: { ...ada, status: null } }),
    /column "status" is null/,
  ],
  [
    "a column that was dropped",
    change("u", 1, { after: { id: 7, country: "NO", cents: 1 } }),
    /"status" is missing/,
  ],
  [
    "an integer beyond JSON's",
    change("c", 1, { after: { ...ada, cents: 2 ** 60 } }),
    /data\.cents is 1152921504606847000/,
  ],
  ["a time that is none", change("c", 1, { after: { ...ada, placed: "noon" } }), /data\.placed is "noon"/],
])("%s is no event, and the reason names what is wrong", (_what, value, reason) => {
  expect(refusal(value)).toMatch(reason);
  expect(refusal(withSchema(value))).toMatch(reason);
});

describe("a table that changes its columns", () => {
  const { properties } = orderRow;
  const later = (row: typeof orderRow | ReturnType<typeof Type.Object>) =>
    defineChanges({ name: orderChanges.name, row: row as typeof orderRow, key: ["id"], partitions: 2 });
  const wider = later(Type.Object({ ...properties, channel: Type.Optional(Type.String()) }));

  test("a new column is one more optional field, which earlier changes have if they had it", () => {
    const before = recordType(orderChanges, []);
    const { widenings, refusals } = compareTypes(before, wider);
    expect({ widenings, refusals }).toEqual({
      ...{ widenings: ['adds "channel" (string, null where it is missing)'], refusals: [] },
    });
    const former = { schema: before.schema, next: [offset(0), offset(10)] };
    const type = withFormer(wider, recordType(wider, [former]));
    const of = new RecordReader(type, 1);
    const withChannel = (channel: unknown) => record(change("c", 1, { after: { ...ada, channel } }));
    expect(of.event(withChannel("web")).data).toEqual({ ...row, channel: "web", __op: "c" });
    // By the schema of its time it was an event, so that it stays one.
    expect(of.event(withChannel(3)).data).toEqual({ ...row, __op: "c" });
    expect(() => of.event({ ...withChannel(3), offset: offset(10) })).toThrow(/channel must be string/);
    const { event: archived, rest } = of.archived(withChannel("web"));
    expect(rest).not.toBeNull();
    expect(archived.data.channel).toBe("web");
    expect(new Decoder([type]).event(parseEnvelope(rest ?? ""), rest ?? "").data).toEqual(archived.data);
  });

  test("a column may become one that can be null, and a record from before is judged by what was in force", () => {
    const { note, ...others } = properties;
    const looser = later(Type.Object({ ...others, note, status: Type.Optional(Type.String()) }));
    const { widenings, refusals } = compareTypes(recordType(orderChanges, []), looser);
    expect([widenings.length, refusals]).toEqual([1, []]);
    const former = { schema: recordType(orderChanges, []).schema, next: [offset(0), offset(5)] };
    const of = new RecordReader(withFormer(looser, recordType(looser, [former])), 1);
    const nameless = record(change("c", 1, { after: { ...ada, status: null } }));
    expect(of.event(nameless).data.status).toBeUndefined();
    expect(() => of.event({ ...nameless, offset: offset(4) })).toThrow(/column "status" is null/);
  });

  test("no column may become required, no key another, and no other event type a table's changes", () => {
    const { refusals } = compareTypes(
      recordType(orderChanges, []),
      later(Type.Object({ ...properties, note: Type.String() })),
    );
    expect(refusals).toEqual([expect.stringContaining("requiredColumns")]);
    const keyed = defineChanges({ ...orderChanges, row: orderRow, key: ["country", "id"] });
    expect(compareTypes(recordType(orderChanges, []), keyed).refusals[0]).toContain(
      'the key is "{country,id}", was "{id}"',
    );
    const { schema, name } = orderChanges;
    const plain = defineEvent({ name, schema, key: (f) => f.id, partitions: 2 });
    expect(compareTypes(recordType(plain, []), orderChanges).refusals).toEqual([
      expect.stringContaining('the key is "{id}", was "id"'),
    ]);
  });
});

describe("changes can't be declared", () => {
  const declare = (more: object) => () =>
    defineChanges({ name: "shop.public.orders", row: orderRow, key: ["id"], ...more } as never);
  test.each<[string, object, string]>([
    ["by a key that is no column", { key: ["no"] }, '"no", which is no column'],
    ["by a key that can be null", { key: ["note"] }, '"note" is of the key'],
    ["by a key of floats", { row: Type.Object({ id: Type.Number() }) }, '"id" is of the key'],
    ["without a key", { key: [] }, "name the columns of the table's key"],
    ["by a column twice", { key: ["id", "id"] }, "twice"],
    [
      "with a column of the operation's name",
      { row: Type.Object({ id: Type.Integer(), __op: Type.String() }) },
      '"__op"',
    ],
    ["under a name that is no topic's", { name: "orders" }, "<source>.<schema>.<table>"],
  ])("%s", (_how, more, reason) => {
    expect(declare(more)).toThrow(reason);
  });
});
