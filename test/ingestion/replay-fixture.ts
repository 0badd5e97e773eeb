import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NewDeadLetter } from "../../infra/dead-letters/dead-letters.ts";
import { LmdbDeadLetters } from "../../infra/dead-letters/lmdb-dead-letters.ts";
import { registerDeadLetters } from "../../infra/dead-letters/routes.ts";
import { createServer } from "../../infra/http.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import { KeyPartitions } from "../../ingestion/key-partitions.ts";
import { LocalReception } from "../../ingestion/reception.ts";
import { registerReplay } from "../../ingestion/replay.ts";
import { offset } from "../../views/cut.ts";
import { Decoder } from "../../views/decoder.ts";
import { orderChanges } from "../changes/orders.ts";
import { order } from "./gateway-fixture.ts";

const events = [order, { ...order, name: "shop.order.returned" }, orderChanges];

/** A server of dead letters on a real port, with a real store and a real log in a folder of its own. */
export class ReplayFixture {
  readonly log: LmdbLog;
  readonly letters: LmdbDeadLetters;
  readonly url: string;
  readonly #lifecycle: Lifecycle;

  private constructor(log: LmdbLog, letters: LmdbDeadLetters, url: string, lifecycle: Lifecycle) {
    this.log = log;
    this.letters = letters;
    this.url = url;
    this.#lifecycle = lifecycle;
  }

  static async open(): Promise<ReplayFixture> {
    const lifecycle = new Lifecycle();
    const folder = await mkdtemp(join(tmpdir(), "tidemark-replay-"));
    lifecycle.defer(() => rm(folder, { recursive: true }));
    const topics = events.map(({ name, partitions }) => ({ name, partitions }));
    const log = lifecycle.use(await LmdbLog.open({ path: join(folder, "log"), topics, mode: "writer" }));
    const deadLetters = lifecycle.use(await LmdbDeadLetters.open({ path: join(folder, "letters") }));
    const reception = new LocalReception({
      ...{ log, deadLetters, clock: Date.now, newId: () => "new", eventBytes: 1024 * 1024 },
      ...{ decoder: new Decoder(events), partitions: new KeyPartitions(events) },
    });
    const server = createServer({ forceCloseConnections: true });
    registerDeadLetters(server, deadLetters);
    registerReplay(server, { events, deadLetters, reception });
    const url = await server.listen({ port: 0, host: "127.0.0.1" });
    lifecycle.defer(() => server.close());
    return new ReplayFixture(log, deadLetters, url, lifecycle);
  }

  close(): Promise<void> {
    return this.#lifecycle[Symbol.asyncDispose]();
  }

  async replay(id: string) {
    const url = `${this.url}/v1/dead-letters/${encodeURIComponent(id)}/replay`;
    const answer = await fetch(url, { method: "POST" });
    return { status: answer.status, body: await answer.json() };
  }

  /** Puts a letter and gives its id. */
  async keep(raw: string | Buffer, changes: Partial<NewDeadLetter> = {}): Promise<string> {
    const bytes = Buffer.from(raw as string);
    await this.letters.put([
      {
        ...{
          receivedAt: "2001-01-31T12:00:00.000Z",
          code: "TIDEMARK_EVENT_DATA",
          message: "it was wrong then",
        },
        ...{ raw: bytes, bytes: bytes.length, topic: order.name, record: null },
        ...changes,
      },
    ]);
    return String(await this.letters.count());
  }

  /** What all records of the log say. */
  async stored(): Promise<unknown[]> {
    const values: unknown[] = [];
    for (const { name } of events) {
      for (const [p, next] of (await this.log.nexts(name)).entries()) {
        for await (const { records } of this.log.read(name, p, offset(0), next)) {
          values.push(...records.map(({ value }) => JSON.parse(Buffer.from(value).toString())));
        }
      }
    }
    return values;
  }
}
