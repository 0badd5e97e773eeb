import type { Pgoutput } from "pg-logical-replication";

export type Row = Readonly<Record<string, unknown>>;

export interface Table {
  readonly schema: string;
  readonly table: string;
}

/** Where changes come from. */
export interface Origin {
  /** Debezium calls it the `topic.prefix`. */
  readonly name: string;
  readonly db: string;
  /** The columns of each table's primary key, by schema and table: `public.orders`. */
  readonly keys: ReadonlyMap<string, readonly string[]>;
}

/** When a transaction was committed, and the place of a change in the write-ahead log. */
export interface Place {
  readonly commitMs: number;
  readonly txId: number | null;
  readonly lsn: string;
}

/** A change as Debezium's connector for PostgreSQL writes it. */
export interface Envelope {
  readonly before: Row | null;
  readonly after: Row | null;
  readonly source: Row;
  readonly op: "c" | "u" | "d" | "r" | "t";
  readonly ts_ms: number;
}

/** A row that a snapshot has read. */
export function readRow(origin: Origin, table: Table, place: Place, row: Row): Envelope {
  return envelope("r", origin, table, place, null, row);
}

/** The changes that a message of the replication is; none where it is of no row. */
export function changesIn(message: Pgoutput.Message, origin: Origin, place: Place): readonly Envelope[] {
  switch (message.tag) {
    case "insert":
      return [envelope("c", origin, tableOf(message.relation), place, null, rowOf(message.new))];
    case "update": {
      const table = tableOf(message.relation);
      const [before, after] = [message.old ?? message.key, rowOf(message.new)];
      // A row with another key is another row.
      const key = origin.keys.get(`${table.schema}.${table.table}`) ?? [];
      if (before !== null && key.some((name) => before[name] !== after[name])) {
        return [
          envelope("d", origin, table, place, rowOf(before), null),
          envelope("c", origin, table, place, null, after),
        ];
      }
      return [envelope("u", origin, table, place, before && rowOf(before), after)];
    }
    case "delete": {
      const before = message.old ?? message.key;
      return [envelope("d", origin, tableOf(message.relation), place, before && rowOf(before), null)];
    }
    case "truncate":
      return message.relations.map((relation) => envelope("t", origin, tableOf(relation), place, null, null));
    default:
      return [];
  }
}

function envelope(
  op: Envelope["op"],
  { name, db }: Origin,
  table: Table,
  { commitMs, txId, lsn }: Place,
  before: Row | null,
  after: Row | null,
): Envelope {
  const source = {
    ...{ version: "0.1.0", connector: "postgresql", name, ts_ms: commitMs, db },
    ...{ snapshot: op === "r" ? "true" : "false", ...table, txId, lsn: bytesOf(lsn) },
  };
  return { before, after, source, op, ts_ms: Date.now() };
}

function tableOf({ schema, name }: Pgoutput.MessageRelation): Table {
  return { schema, table: name };
}

/** Long values that an update did not touch are not sent; Debezium says so in their place. */
function rowOf(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => [
      column,
      value === undefined ? "__debezium_unavailable_value" : value,
    ]),
  );
}

/** `16/B374D848` as the number of bytes that it is. */
export function bytesOf(lsn: string): number {
  const [high = "", low = ""] = lsn.split("/");
  return Number.parseInt(high, 16) * 2 ** 32 + Number.parseInt(low, 16);
}

export function lsnOf(bytes: number): string {
  const [high, low] = [Math.floor(bytes / 2 ** 32), bytes % 2 ** 32];
  return `${high.toString(16)}/${low.toString(16)}`.toUpperCase();
}
