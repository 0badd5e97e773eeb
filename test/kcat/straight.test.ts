import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, inject, test } from "vitest";
import { letterOf } from "../../infra/dead-letters/letter-of-record.ts";
import { deadLetterTopics, LogDeadLetters } from "../../infra/dead-letters/log-dead-letters.ts";
import { Duckdb } from "../../infra/duckdb.ts";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import type { LogRecord } from "../../infra/log/log.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { Archiver } from "../../ingestion/archive.ts";
import { Admission } from "../../speed-layer/admission.ts";
import { offset } from "../../views/cut.ts";
import { defineApp, defineEvent, Type } from "../../views/index.ts";
import { freshTopics } from "../kafka/fresh-topics.ts";

let lifecycle: Lifecycle;
let folder: string;

beforeEach(async () => {
  lifecycle = new Lifecycle();
  folder = await mkdtemp(join(tmpdir(), "tidemark-kcat-"));
  lifecycle.defer(() => rm(folder, { recursive: true, force: true }));
});
afterEach(() => lifecycle[Symbol.asyncDispose]());

async function kcat(args: readonly string[], input: string | Uint8Array = ""): Promise<string> {
  const child = spawn(inject("kcat"), ["-q", "-b", inject("kafkaBrokers").join(","), ...args]);
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stdin.end(input);
  const [code] = await once(child, "close");
  expect(code).toBe(0);
  return Buffer.concat(chunks).toString();
}

/** Puts one record. */
function put(
  topic: string,
  partition: number,
  value: string | Uint8Array,
  ...args: string[]
): Promise<string> {
  return kcat(["-P", "-t", topic, "-p", String(partition), "-D", "\\0", ...args], value);
}

const bare = '{"shop":"a","amount":3}';

test("kcat's events are in the master dataset and in the speed layer, its garbage is in the dead letters", async () => {
  const fresh = await freshTopics();
  const order = defineEvent({
    name: await fresh.create("order", { partitions: 2 }),
    schema: Type.Object({ shop: Type.String(), amount: Type.Integer() }),
    partitions: 2,
  });
  const shop = fresh.name("shop");
  const letterTopics = deadLetterTopics(shop, [order.name]);
  await fresh.create("order.dead-letter");
  await fresh.create("shop.dead-letter");

  const attributes = { id: "1", source: "/till", type: order.name, time: "2001-01-31T08:15:00Z" };
  const structured = JSON.stringify({ specversion: "1.0", ...attributes, data: JSON.parse(bare) });
  const binary = Object.entries({ specversion: "1.0", ...attributes, id: "2" }).flatMap(([name, value]) => [
    "-H",
    `ce_${name}=${value}`,
  ]);
  const latin = Buffer.from('{"shop":"é","amount":3}', "latin1");
  await put(order.name, 0, structured);
  await put(order.name, 0, structured, "-H", "content-type=application/cloudevents+json");
  await put(
    order.name,
    0,
    bare,
    "-k",
    "till-7",
    ...binary,
    "-H",
    "content-type=application/json",
    "-H",
    "ce_trace=t",
    "-H",
    "app=pos",
  );
  await put(order.name, 0, bare);
  await put(order.name, 0, "not JSON", "-k", "who");
  await put(order.name, 0, "a:", "-K", ":", "-Z");
  await put(order.name, 0, latin);
  await put(order.name, 0, '{"shop":"a","amount":"3"}', "-H", "app=pos");
  await put(order.name, 0, structured.replace(order.name, "test.order.lost"));
  await put(order.name, 1, bare);
  const stamps = await kcat(["-C", "-e", "-t", order.name, "-f", "%p:%o %T\n"]);
  const stamp = (place: string) => BigInt(new RegExp(`^${place} (\\d+)$`, "m").exec(stamps)?.[1] ?? 0);

  const topics = [{ name: order.name, partitions: 2 }, ...letterTopics];
  const settings = kafkaSettings({ KAFKA_BROKERS: inject("kafkaBrokers").join(",") });
  const log = lifecycle.use(await KafkaLog.open({ settings, topics }));
  const letters = new LogDeadLetters({ log, app: shop, types: [order.name] });
  const duckdb = lifecycle.use(
    await Duckdb.open({ memoryLimit: "300MB", threads: 1, temporaryFolder: join(folder, "spill") }),
  );
  const app = defineApp({ name: "shop", views: [], events: [order] });
  const archive = async (into: string) => {
    const master = await MasterFolder.own(join(folder, into), [{ name: order.name, partitions: 2 }]);
    const receivedAt = "2001-01-31T12:00:00.000Z";
    const archiver = new Archiver({
      ...{ app, log, master, duckdb },
      onInvalid: (...found) => letters.put([{ ...letterOf(...found), receivedAt }]),
    });
    await archiver.archive(await archiver.logEnd());
    return master;
  };
  const master = await archive("master");
  // As after a crash: all of it is handed in again.
  await archive("another");

  const rows: Record<string, unknown>[] = [];
  const connection = await duckdb.connect();
  for (const { path } of await master.files(order.name)) {
    const read = await connection.runAndReadAll(
      `SELECT _partition::VARCHAR || ':' || _offset AS place, _event_id AS id, _event_source AS source,
              epoch_ms(_event_time) AS time, _duplicate AS duplicate, _rest AS rest, shop, amount FROM read_parquet($1)`,
      [path],
    );
    rows.push(...read.getRowObjects());
  }
  const told = {
    source: "/till",
    time: BigInt(Date.parse(attributes.time)),
    duplicate: false,
    shop: "a",
    amount: 3n,
  };
  const named = (place: string) => ({
    ...{ ...told, place, id: `${order.name}@${place}`, source: `tidemark:log/${order.name}` },
    ...{ time: stamp(place), rest: null },
  });
  const rest = rows[2]?.rest;
  expect(rows).toEqual([
    { ...told, place: "0:0", id: "1", rest: null },
    { ...told, place: "0:1", id: "1", rest: null, duplicate: true },
    { ...told, place: "0:2", id: "2", rest },
    named("0:3"),
    named("1:0"),
  ]);
  expect(JSON.parse(String(rest))).toEqual({
    ...{ specversion: "1.0", ...attributes, id: "2", trace: "t", datacontenttype: "application/json" },
    ...{ data: JSON.parse(bare), _headers: { app: "pos" }, _key: "till-7" },
  });

  const admitted: string[] = [];
  for (const [partition, next] of (await log.nexts(order.name)).entries()) {
    const records: LogRecord[] = [];
    for await (const batch of log.read(order.name, partition, offset(0), next))
      records.push(...batch.records);
    const events = new Admission(order, partition).admit(records, next);
    admitted.push(...events.flatMap((event) => (event === null ? [] : [`${event.id} ${event.time}`])));
  }
  expect(admitted).toEqual(
    rows.filter(({ duplicate }) => duplicate === false).map(({ id, time }) => `${id} ${time}`),
  );

  const kept = (await letters.list({ limit: 100 })).letters.toReversed();
  const shown = kept.map(({ record, code, raw }) => [
    record?.offset,
    record?.key,
    code,
    Buffer.from(raw).toString("latin1"),
  ]);
  expect(shown).toEqual([
    [4, "who", "TIDEMARK_EVENT_NOT_JSON", "not JSON"],
    [5, "a", "TIDEMARK_EVENT_EMPTY", ""],
    [6, null, "TIDEMARK_EVENT_NOT_UTF8", latin.toString("latin1")],
    [7, null, "TIDEMARK_EVENT_DATA", '{"shop":"a","amount":"3"}'],
    [8, null, "TIDEMARK_EVENT_TYPE_UNKNOWN", structured.replace(order.name, "test.order.lost")],
  ]);
  expect(kept[3]?.record).toMatchObject({
    partition: 0,
    headers: { app: "pos" },
    timestampMs: Number(stamp("0:7")),
  });

  const asRecords = await kcat(["-C", "-e", "-t", `${order.name}.dead-letter`, "-f", "%k %h %s\n"]);
  expect(asRecords.split("\n")[0]).toMatch(
    /^who tidemark-code=TIDEMARK_EVENT_NOT_JSON,tidemark-message=not JSON: .*,tidemark-partition=0,tidemark-offset=4,.* not JSON$/,
  );
});
