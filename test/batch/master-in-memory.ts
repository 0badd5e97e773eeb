import { join } from "node:path";
import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  type DuckDBConnection,
  DuckDBTimestampMillisecondsValue,
  LIST,
  TIMESTAMP_MS,
  VARCHAR,
} from "@duckdb/node-api";
import type { Master, MasterFile } from "../../infra/master/master.ts";
import { type Cut, type Offset, offset } from "../../views/cut.ts";
import type { EventType } from "../../views/event.ts";
import { columnType, quoteIdentifier } from "../../views/expression.ts";
import { valueAt } from "../../views/field.ts";

/** A record as the master dataset holds it, but for its place. */
export interface Fact {
  readonly time: number;
  readonly isDuplicate?: boolean;
  /** As a decoder gives it: times are milliseconds. */
  readonly data: Readonly<Record<string, unknown>>;
}

const sqlTypes = {
  string: VARCHAR,
  integer: BIGINT,
  number: DOUBLE,
  boolean: BOOLEAN,
  time: TIMESTAMP_MS,
} as const;

/** Writes Parquet files with the columns that `infra/master/master.ts` documents, by hand. */
export async function writeMasterFile(
  connection: DuckDBConnection,
  path: string,
  event: EventType,
  partition: number,
  from: number,
  facts: readonly Fact[],
): Promise<void> {
  const fields = event.fields.map((field) => `${quoteIdentifier(field.name)} ${columnType(field)}`);
  await connection.run(
    `CREATE OR REPLACE TABLE facts (_partition INTEGER, _offset BIGINT, _event_id VARCHAR, _event_source VARCHAR, _event_time TIMESTAMP_MS, _duplicate BOOLEAN, _rest VARCHAR, ${fields.join(", ")})`,
  );
  const appender = await connection.createAppender("facts");
  for (const [i, { time, isDuplicate = false, data }] of facts.entries()) {
    appender.appendInteger(partition);
    appender.appendBigInt(BigInt(from + i));
    appender.appendVarchar(`id-${partition}-${from + i}`);
    appender.appendVarchar("test");
    appender.appendTimestampMilliseconds(new DuckDBTimestampMillisecondsValue(BigInt(time)));
    appender.appendBoolean(isDuplicate);
    appender.appendNull();
    for (const { path, type, within } of event.fields) {
      const value = valueAt(data, path) as string | number | boolean | undefined;
      if (value === undefined) appender.appendNull();
      else if (within !== undefined) {
        // Of texts, all that is asked of it so far.
        const list = value as unknown as readonly Readonly<Record<string, string>>[];
        appender.appendList(
          list.map((each) => valueAt(each, within.path) as string),
          LIST(sqlTypes[type]),
        );
      } else if (type === "time")
        appender.appendTimestampMilliseconds(new DuckDBTimestampMillisecondsValue(BigInt(value)));
      else appender.appendValue(type === "integer" ? BigInt(value) : value, sqlTypes[type]);
    }
    appender.endRow();
  }
  appender.closeSync();
  await connection.run("COPY (SELECT * FROM facts ORDER BY _offset) TO $1 (FORMAT parquet)", [path]);
}

/** A master dataset whose list of files is kept by the test; the files themselves are real. */
export class MasterInMemory implements Master {
  readonly #connection: DuckDBConnection;
  readonly #folder: string;
  readonly #files: MasterFile[] = [];

  constructor(connection: DuckDBConnection, folder: string) {
    this.#connection = connection;
    this.#folder = folder;
  }

  /** Adds the facts behind the partition's last file, as one file. */
  async append(event: EventType, partition: number, facts: readonly Fact[]): Promise<void> {
    const from = this.#next(event.name, partition);
    const path = join(this.#folder, `${event.name}-${partition}-${from}.parquet`);
    await writeMasterFile(this.#connection, path, event, partition, from, facts);
    const next = offset(from + facts.length);
    this.#files.push({ topic: event.name, partition, from, next, path });
  }

  async files(topic: string): Promise<readonly MasterFile[]> {
    return this.#files
      .filter((file) => file.topic === topic)
      .sort((a, b) => a.partition - b.partition || a.from - b.from);
  }

  async cut(): Promise<Cut> {
    const cut: Record<string, Offset[]> = {};
    for (const { topic, partition, next } of this.#files) {
      const nexts = cut[topic] ?? [];
      cut[topic] = nexts;
      for (let p = nexts.length; p <= partition; p++) nexts.push(offset(0));
      nexts[partition] = next;
    }
    return cut;
  }

  add(): Promise<MasterFile> {
    throw new Error("the batch layer adds no files itself");
  }

  #next(topic: string, partition: number): Offset {
    const of = this.#files.filter((file) => file.topic === topic && file.partition === partition);
    return of.at(-1)?.next ?? offset(0);
  }
}
