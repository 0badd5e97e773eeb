import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LmdbDeadLetters } from "../../infra/dead-letters/lmdb-dead-letters.ts";
import { createServer } from "../../infra/http.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import type { Log, LogRecord } from "../../infra/log/log.ts";
import { type IngestionParts, registerIngestion } from "../../ingestion/gateway.ts";
import { offset } from "../../views/cut.ts";
import { defineApp, defineEvent, type Event, Type } from "../../views/index.ts";

export const order = defineEvent({
  name: "shop.order.placed",
  schema: Type.Object({ shop: Type.String(), amount: Type.Integer(), note: Type.Optional(Type.String()) }),
  key: (f) => f.shop,
  partitions: 2,
});
const app = defineApp({ name: "shop", views: [], events: [order] });

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
    parts: Partial<IngestionParts> = {},
    before: (log: Log) => Log = (log) => log,
  ): Promise<GatewayFixture> {
    const folder = await mkdtemp(join(tmpdir(), "tidemark-gateway-"));
    const topics = app.events.map(({ name, partitions }) => ({ name, partitions }));
    const log = await LmdbLog.open({ path: join(folder, "log"), topics, mode: "writer" });
    const deadLetters = await LmdbDeadLetters.open({ path: join(folder, "dead-letters") });
    const server = createServer({ forceCloseConnections: true });
    let ids = 0;
    registerIngestion(server, {
      ...{ app, log: before(log), deadLetters, clock: () => noon, newId: () => `new-${++ids}` },
      ...parts,
    });
    await server.listen({ port: 0, host: "127.0.0.1" });
    const address = server.server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    return new GatewayFixture(log, deadLetters, port, async () => {
      await server.close();
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
    return (await this.#records()).map(({ value }) => Buffer.from(value).toString());
  }

  /** What the gateway decoded them to. */
  async events(): Promise<Event[]> {
    return (await this.#records()).flatMap(({ event }) => (event === undefined ? [] : [event]));
  }

  async #records(): Promise<LogRecord[]> {
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
