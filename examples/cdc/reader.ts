import { setTimeout } from "node:timers/promises";
import { Client } from "pg";
import { LogicalReplicationService, type Pgoutput, PgoutputPlugin } from "pg-logical-replication";
import { readColumnsAsDebeziumDoes, sessionOptions } from "./column-types.ts";
import { bytesOf, changesIn, lsnOf, type Origin, type Place, type Row, readRow } from "./envelope.ts";
import { Sender } from "./sender.ts";

export interface ReaderOptions {
  readonly postgres: string;
  readonly tidemark: string;
  readonly apiKey?: string | undefined;
  /** The publication whose tables are read. */
  readonly publication: string;
  /** The replication slot, in which PostgreSQL keeps how far this reader has come. It is made with the first snapshot. */
  readonly slot: string;
  /** The first part of the event types' names. */
  readonly name: string;
}

const rowsAtOnce = 1_000;
const retryMs = 200;

/**
 * Brings the changes of a publication's tables to Tidemark, until it is aborted: the rows that are there first, and from
 * exactly there on every change. What was not acknowledged when it ended comes once more, under the same ids.
 */
export async function readChanges(options: ReaderOptions, signal: AbortSignal): Promise<void> {
  readColumnsAsDebeziumDoes();
  const client = await connect(options.postgres);
  let origin: Origin;
  let reached: string | undefined;
  try {
    origin = await originOf(client, options);
    if ((await slotNamed(client, options.slot)) === undefined) await snapshot(client, options, origin);
    await client.query(
      "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1",
      [markOf(options)],
    );
    reached = (await slotNamed(client, options.slot))?.reached;
  } finally {
    await client.end();
  }
  while (!signal.aborted) {
    await follow(options, origin, reached, signal).catch((error: { readonly code?: string }) => {
      // The reader before may have been killed so lately that its connection still holds the slot.
      if (error.code !== "55006") throw error;
    });
    if (!signal.aborted) await setTimeout(retryMs);
  }
}

async function originOf(client: Client, { name, publication }: ReaderOptions): Promise<Origin> {
  const { rows: databases } = await client.query("SELECT current_database() AS db");
  const { rows: keys } = await client.query(
    `SELECT schemaname || '.' || tablename AS table, array_agg(attname::text) AS columns
     FROM pg_publication_tables
     JOIN pg_index ON indrelid = format('%I.%I', schemaname, tablename)::regclass AND indisprimary
     JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
     WHERE pubname = $1 GROUP BY 1`,
    [publication],
  );
  return {
    ...{ name, db: String(databases[0]?.db) },
    keys: new Map(keys.map(({ table, columns }) => [String(table), columns as readonly string[]])),
  };
}

interface Slot {
  /** How far what was read from it is acknowledged. */
  readonly reached: string;
  readonly isInUse: boolean;
}

async function slotNamed(client: Client, name: string): Promise<Slot | undefined> {
  const { rows } = await client.query(
    'SELECT confirmed_flush_lsn AS reached, active AS "isInUse" FROM pg_replication_slots WHERE slot_name = $1',
    [name],
  );
  return rows[0];
}

function markOf({ slot }: ReaderOptions): string {
  return `${slot}_snapshot`;
}

/**
 * Sends every row of the tables, and makes the slot from which their changes are to be followed.
 *
 * What marks that place until all rows are sent is a slot of its own, which outlives a reader that is killed. The next one
 * sends the rows as they are then, each under the id that it had the first time; what was done to them in between, deletes
 * among it, follows from the slot.
 */
async function snapshot(client: Client, options: ReaderOptions, origin: Origin): Promise<void> {
  const mark = markOf(options);
  const replication = await connect(options.postgres, { replication: "database" });
  try {
    let marked = await slotNamed(client, mark);
    while (marked?.isInUse) {
      // The reader before was killed while it was made.
      await setTimeout(retryMs);
      marked = await slotNamed(client, mark);
    }
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    if (marked === undefined) {
      const { rows } = await replication.query(
        `CREATE_REPLICATION_SLOT "${mark}" LOGICAL pgoutput EXPORT_SNAPSHOT`,
      );
      const [{ consistent_point, snapshot_name }] = rows as [Readonly<Record<string, string>>];
      await client.query(`SET TRANSACTION SNAPSHOT '${snapshot_name}'`);
      await sendRows(client, options, origin, consistent_point ?? "");
    } else {
      await sendRows(client, options, origin, marked.reached);
    }
    await client.query("COMMIT");
  } finally {
    await replication.end();
  }
  await client.query("SELECT pg_copy_logical_replication_slot($1, $2)", [mark, options.slot]);
}

/** Sends every row that the client's transaction sees; resolves when they are taken. */
async function sendRows(
  client: Client,
  { publication, tidemark, apiKey }: ReaderOptions,
  origin: Origin,
  lsn: string,
): Promise<void> {
  const sender = new Sender(tidemark, apiKey, () => undefined);
  const place: Place = { commitMs: Date.now(), txId: null, lsn };
  const { rows: tables } = await client.query(
    "SELECT schemaname AS schema, tablename AS table, format('%I.%I', schemaname, tablename) AS quoted FROM pg_publication_tables WHERE pubname = $1",
    [publication],
  );
  for (const { schema, table, quoted } of tables as readonly Readonly<Record<string, string>>[]) {
    await client.query(`DECLARE rows NO SCROLL CURSOR FOR SELECT * FROM ${quoted}`);
    for (;;) {
      const { rows } = await client.query(`FETCH ${rowsAtOnce} FROM rows`);
      if (rows.length === 0) break;
      for (const row of rows as readonly Row[]) {
        await sender.send(readRow(origin, { schema: schema ?? "", table: table ?? "" }, place, row));
      }
    }
    await client.query("CLOSE rows");
  }
  await sender.flushed();
}

/** From where the slot is, until the connection ends. */
async function follow(
  options: ReaderOptions,
  origin: Origin,
  reached: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { publication, slot } = options;
  const service = new LogicalReplicationService(
    { connectionString: options.postgres, options: sessionOptions },
    { acknowledge: { auto: false, timeoutSeconds: 0 }, flowControl: { enabled: true } },
  );
  let acknowledged = reached;
  const acknowledge = () => {
    // It adds one, which might pass over a transaction that was committed right behind: what counts is the end itself.
    if (acknowledged !== undefined) void service.acknowledge(lsnOf(bytesOf(acknowledged) - 1));
  };
  const sender = new Sender(options.tidemark, options.apiKey, (committed) => {
    acknowledged = committed;
    acknowledge();
  });
  let transaction: Omit<Place, "lsn"> = { commitMs: 0, txId: null };
  service.on("data", async (lsn: string, message: Pgoutput.Message) => {
    if (message.tag === "begin") {
      transaction = { commitMs: Number(message.commitTime) / 1000, txId: message.xid };
    } else if (message.tag === "commit") {
      if (message.commitEndLsn !== null) sender.commit(message.commitEndLsn);
    } else {
      for (const change of changesIn(message, origin, { ...transaction, lsn })) await sender.send(change);
    }
  });
  service.on("heartbeat", (_lsn, _timestamp, shouldRespond) => {
    if (shouldRespond) acknowledge();
  });
  // What it tells, subscribing fails with as well.
  service.on("error", () => undefined);
  try {
    const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [publication] });
    await Promise.race([service.subscribe(plugin, slot), aborted(signal)]);
  } finally {
    await service.stop();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

async function connect(url: string, more: object = {}): Promise<Client> {
  const client = new Client({ connectionString: url, options: sessionOptions, ...more });
  await client.connect();
  return client;
}
