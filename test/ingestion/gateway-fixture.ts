import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MessageChannel } from "node:worker_threads";
import { LmdbDeadLetters } from "../../infra/dead-letters/lmdb-dead-letters.ts";
import { createServer } from "../../infra/http.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import type { Log, LogRecord } from "../../infra/log/log.ts";
import { Peer } from "../../infra/peer.ts";
import { channelToThread } from "../../infra/thread-channel.ts";
import type { Tracing } from "../../infra/tracing.ts";
import { registerIngestion } from "../../ingestion/gateway.ts";
import { KeyPartitions } from "../../ingestion/key-partitions.ts";
import { defaultLimits, type IngestionLimits } from "../../ingestion/limits.ts";
import { type Disk, Pressure } from "../../ingestion/pressure.ts";
import { LocalReception, type Reception } from "../../ingestion/reception.ts";
import { serveReception, ThreadReception } from "../../ingestion/reception-thread.ts";
import type { Timer } from "../../ingestion/timer.ts";
import { offset } from "../../views/cut.ts";
import { Decoder } from "../../views/decoder.ts";
import { defineApp, defineEvent, type Event, Type } from "../../views/index.ts";

export const order = defineEvent({
  name: "shop.order.placed",
  schema: Type.Object({ shop: Type.String(), amount: Type.Integer(), note: Type.Optional(Type.String()) }),
  key: (f) => f.shop,
  partitions: 2,
});
const app = defineApp({ name: "shop", views: [], events: [order] });

/** Where requests' bytes are taken: as `registerIngestion` may have it. */
export const places = ["in the gateway's thread", "at the other end of a channel"] as const;

export interface FixtureParts {
  readonly place?: (typeof places)[number];
  readonly clock?: () => number;
  readonly limits?: Partial<IngestionLimits>;
  readonly disk?: Disk;
  readonly timer?: Timer;
  readonly tracing?: Tracing | undefined;
}

export const noon = Date.parse("2001-01-31T12:00:00.000Z");

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  // biome-ignore lint/suspicious/noExplicitAny: an answer is whatever JSON came; each test says what it expects
  readonly body: any;
}

/** A gateway on a real port with a real log and dead-letter store in a folder of its own. */
export class GatewayFixture {
  readonly log: LmdbLog;
  readonly deadLetters: LmdbDeadLetters;
  readonly port: number;
  readonly #close: () => Promise<void>;

  private constructor(log: LmdbLog, deadLetters: LmdbDeadLetters, port: number, close: () => Promise<void>) {
    this.log = log;
    this.deadLetters = deadLetters;
    this.port = port;
    this.#close = close;
  }

  /** `before` puts something between the gateway and the log. */
  static async open(
    parts: FixtureParts = {},
    before: (log: Log) => Log = (log) => log,
  ): Promise<GatewayFixture> {
    const folder = await mkdtemp(join(tmpdir(), "tidemark-gateway-"));
    const topics = app.events.map(({ name, partitions }) => ({ name, partitions }));
    const log = await LmdbLog.open({ path: join(folder, "log"), topics, mode: "writer" });
    const deadLetters = await LmdbDeadLetters.open({ path: join(folder, "dead-letters") });
    const server = createServer({ forceCloseConnections: true, tracing: parts.tracing });
    let ids = 0;
    const { clock = () => noon, disk, timer } = parts;
    const limits = { ...defaultLimits, ...parts.limits };
    const pressure = new Pressure(limits, disk, clock);
    const isRemote = parts.place === "at the other end of a channel";
    const local = new LocalReception({
      ...{ log: before(log), deadLetters, clock, newId: () => `new-${++ids}` },
      ...(isRemote ? {} : { pressure }),
      decoder: new Decoder(app.events),
      partitions: new KeyPartitions(app.events),
      eventBytes: limits.eventBytes,
    });
    const { port1, port2 } = new MessageChannel();
    let reception: Reception = local;
    if (isRemote) {
      serveReception(channelToThread(port2), local);
      reception = new ThreadReception(new Peer(channelToThread(port1), {}), pressure);
    }
    registerIngestion(server, { reception, pressure, limits, ...(timer === undefined ? {} : { timer }) });
    await server.listen({ port: 0, host: "127.0.0.1" });
    const address = server.server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    return new GatewayFixture(log, deadLetters, port, async () => {
      await server.close();
      port1.close();
      await log[Symbol.asyncDispose]();
      await deadLetters[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    });
  }

  close(): Promise<void> {
    return this.#close();
  }

  async post(
    body: string | Uint8Array | AsyncIterable<string | Uint8Array>,
    headers: Readonly<Record<string, string>> = { "content-type": "application/json" },
    query = "",
  ): Promise<Answer> {
    const { outgoing, answer } = this.begin(headers, query);
    if (typeof body === "string" || body instanceof Uint8Array) outgoing.end(body);
    else {
      let isAnswered = false;
      const answered = answer.finally(() => {
        isAnswered = true;
      });
      for await (const piece of body) {
        if (isAnswered) break;
        if (!outgoing.write(piece)) {
          await Promise.race([new Promise((resolve) => outgoing.once("drain", resolve)), answered]);
        }
      }
      if (isAnswered) outgoing.destroy();
      else outgoing.end();
    }
    return answer;
  }

  /** A request whose body the caller writes. */
  begin(headers: Readonly<Record<string, string>>, query = "") {
    const outgoing = request({
      port: this.port,
      host: "127.0.0.1",
      path: `/v1/events${query}`,
      method: "POST",
      headers,
    });
    const answer = new Promise<Answer>((resolve, reject) => {
      outgoing.on("error", reject);
      outgoing.on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const body = JSON.parse(Buffer.concat(chunks).toString());
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
        });
      });
    });
    return { outgoing, answer };
  }

  /** The texts of all records, partition after partition. */
  async stored(): Promise<string[]> {
    return (await this.records()).map(({ value }) => Buffer.from(value).toString());
  }

  /** What they say, in the same order. */
  async events(): Promise<Event[]> {
    const decoder = new Decoder(app.events);
    return (await this.stored()).map((text) => decoder.decode(text));
  }

  /** All of them, partition after partition. */
  async records(): Promise<LogRecord[]> {
    const records: LogRecord[] = [];
    for (const [partition, next] of (await this.log.nexts(order.name)).entries()) {
      for await (const batch of this.log.read(order.name, partition, offset(0), next)) {
        records.push(...batch.records);
      }
    }
    return records;
  }
}

export const ndjson = { "content-type": "application/x-ndjson" };

export function orderText(id: string, changes: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    id,
    source: "/till/1",
    type: order.name,
    time: "2001-01-31T08:15:00Z",
    data: { shop: "a", amount: 3 },
    ...changes,
  });
}
