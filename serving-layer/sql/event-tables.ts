import { quoteText } from "../../infra/duckdb.ts";
import { readableEarlyValues } from "../../infra/master/early-values.ts";
import { evolvedFilesToSql } from "../../infra/master/evolved-files.ts";
import type { Master, MasterFile } from "../../infra/master/master.ts";
import { type Offset, offset } from "../../views/cut.ts";
import type { EventType } from "../../views/event.ts";
import { quoteIdentifier, type SqlParameters } from "../../views/expression.ts";
import { type RecentFile, type RecentParts, RecentRecords } from "./recent-records.ts";

/** Event types as tables of their records: the master dataset's, and those that are not archived yet. */
export class EventTables {
  readonly #parts: RecentParts;
  readonly #recent = new Map<EventType, readonly RecentRecords[]>();
  #latest: Promise<unknown> = Promise.resolve();

  constructor(parts: RecentParts) {
    this.#parts = parts;
  }

  /** A SELECT of the records before `nexts`. `isAlone`: no statement is running that may read older files. */
  toSql(type: EventType, nexts: readonly number[], isAlone: boolean, signal: AbortSignal): Promise<string> {
    const made = this.#latest.then(() => this.#toSql(type, nexts, isAlone, signal));
    this.#latest = made.catch(() => undefined);
    return made;
  }

  async #toSql(
    type: EventType,
    nexts: readonly number[],
    isAlone: boolean,
    signal: AbortSignal,
  ): Promise<string> {
    const master: Master = this.#parts.master;
    const files = await master.files(type.name);
    const parts = [];
    for (const [partition, recent] of this.#partitions(type).entries()) {
      const next = offset(nexts[partition] ?? 0);
      const archived = files.filter((file) => file.partition === partition);
      const end = archived.at(-1)?.next ?? offset(0);
      parts.push({ next, end, archived, recent: await recent.files(end, next, isAlone, signal) });
    }
    const whole = parts.flatMap(({ archived, next }) => archived.filter((file) => file.next <= next));
    const straddling = parts.flatMap(({ archived, next }) =>
      archived.filter((file) => file.from < next && file.next > next).map(({ path }) => ({ path, next })),
    );
    const parameters: SqlParameters = { values: [] };
    const early = await readableEarlyValues(type, files as readonly MasterFile[]);
    const archivedSql = withLiterals(
      evolvedFilesToSql(
        { event: type, covered: whole.map(({ path }) => path), straddling, early },
        parameters,
      ),
      parameters,
    );
    const recentSql = parts.flatMap(({ recent, end, next }) =>
      recent.map((file) => recentToSql(file, end, next)),
    );
    return `SELECT ${shownOf(type).join(", ")} FROM (${[archivedSql, ...recentSql].join("\nUNION ALL BY NAME ")})`;
  }

  #partitions(type: EventType): readonly RecentRecords[] {
    const known = this.#recent.get(type);
    if (known !== undefined) return known;
    const made = Array.from({ length: type.partitions }, (_, p) => new RecentRecords(this.#parts, type, p));
    this.#recent.set(type, made);
    return made;
  }
}

function recentToSql({ path }: RecentFile, end: Offset, next: Offset): string {
  return `SELECT * EXCLUDE (_rest) FROM read_parquet(${quoteText(path)}) WHERE _offset >= ${end} AND _offset < ${next}`;
}

/** Columns as statements see them: instants are TIMESTAMPTZ. */
function shownOf({ fields }: EventType): readonly string[] {
  const instant = (column: string) => `make_timestamptz(epoch_us(${column})) AS ${column}`;
  return [
    ...["_partition", "_offset", "_event_id", "_event_source", instant("_event_time"), "_duplicate"],
    ...fields.map(({ name, type, within }) => {
      const column = quoteIdentifier(name);
      if (type !== "time") return column;
      return within === undefined
        ? instant(column)
        : `list_transform(${column}, lambda t: make_timestamptz(epoch_us(t))) AS ${column}`;
    }),
  ];
}

/** A view takes no parameters: the text with the values in it. */
function withLiterals(sql: string, { values }: SqlParameters): string {
  return sql.replace(/(?<![\w"])\$(\d+)/g, (_, number: string) => {
    const value = values[Number(number) - 1];
    return typeof value === "string" ? quoteText(value) : String(value);
  });
}
