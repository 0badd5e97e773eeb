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
    if ((await reachedBy(client, options)) === undefined) await snapshot(client, options, origin);
    reached = await reachedBy(client, options);
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

/** How far the slot has come; undefined where it is not there yet. */
async function reachedBy(client: Client, { slot }: ReaderOptions): Promise<string | undefined> {
  const { rows } = await client.query(
    "SELECT confirmed_flush_lsn AS reached FROM pg_replication_slots WHERE slot_name = $1",
    [slot],
  );
  return rows[0] === undefined ? undefined : String(rows[0].reached);
}

/**
 * Sends every row of the tables as of one moment, and makes the slot that begins there. A slot of this session alone marks
 * the moment; it becomes the reader's once all is sent, so that a reader that is killed before begins anew.
 */
async function snapshot(client: Client, options: ReaderOptions, origin: Origin): Promise<void> {
  const { publication, slot } = options;
  const replication = await connect(options.postgres, { replication: "database" });
  try {
    const own = `${slot}_snapshot_${process.pid}`;
    const { rows: created } = await replication.query(
      `CREATE_REPLICATION_SLOT "${own}" TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT`,
    );
    const { consistent_point: lsn, snapshot_name: name } = created[0] as Readonly<Record<string, string>>;
    const sender = new Sender(options.tidemark, options.apiKey, () => undefined);
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    await client.query(`SET TRANSACTION SNAPSHOT '${name}'`);
    const place: Place = { commitMs: Date.now(), txId: null, lsn: lsn ?? "" };
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
    await client.query("COMMIT");
    await sender.flushed();
    await client.query("SELECT pg_copy_logical_replication_slot($1, $2, false)", [own, slot]);
  } finally {
    await replication.end();
  }
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
