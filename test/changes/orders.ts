import type { LogRecord, RecordHeaders } from "../../infra/log/log.ts";
import { offset } from "../../views/cut.ts";
import { defineChanges, Type } from "../../views/index.ts";

/** A row of the table as Debezium's JSON has it: `placed` is a timestamptz, `weight` a double precision. */
export const orderRow = Type.Object({
  id: Type.Integer(),
  country: Type.String(),
  status: Type.String(),
  cents: Type.Integer(),
  placed: Type.Optional(Type.Time()),
  weight: Type.Optional(Type.Number()),
  gift: Type.Optional(Type.Boolean()),
  note: Type.Optional(Type.String()),
});

export const orderChanges = defineChanges({
  name: "shop.public.orders",
  row: orderRow,
  key: ["id"],
  partitions: 2,
});

export const noon = Date.parse("2024-05-01T12:00:00Z");

/** `source` of a change that PostgreSQL's connector sends, as of Debezium 3. */
export function postgres(lsn: number, more: Readonly<Record<string, unknown>> = {}) {
  return {
    ...{ version: "3.0.8.Final", connector: "postgresql", name: "shop", ts_ms: noon + lsn },
    ...{ snapshot: "false", db: "shop", sequence: `["${lsn - 8}","${lsn}"]`, ts_us: (noon + lsn) * 1000 },
    ...{ ts_ns: (noon + lsn) * 1e6, schema: "public", table: "orders", txId: 756, lsn, xmin: null, ...more },
  };
}

export const ada = {
  ...{ id: 7, country: "NO", status: "open", cents: 4000, placed: "2024-05-01T11:59:58.123456Z" },
  ...{ weight: 1.5, gift: false, note: null },
};

/** The value of a record of Debezium's, without its schema. */
export function change(op: string, lsn: number, parts: Readonly<Record<string, unknown>>) {
  const ts_ms = noon + lsn + 250;
  return { before: null, after: null, source: postgres(lsn), transaction: null, op, ts_ms, ...parts };
}

/** As the converter writes it with schemas: what is in them does not matter here. */
export function withSchema(payload: unknown) {
  const schema = {
    type: "struct",
    fields: [],
    optional: false,
    name: "shop.public.orders.Envelope",
    version: 2,
  };
  return { schema, payload };
}

/** The record at offset 5, as Kafka gives it. */
export function record(value: unknown, headers?: RecordHeaders, key = '{"id":7}'): LogRecord {
  const bytes = value === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(value));
  return { offset: offset(5), key, value: bytes, timestampMs: noon + 999_000, headers };
}
