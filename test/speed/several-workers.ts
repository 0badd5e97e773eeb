import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import type { Append, Log } from "../../infra/log/log.ts";
import type { ArchivedEvents } from "../../infra/master/archived-events.ts";
import type { ArchivedIds } from "../../infra/master/archived-ids.ts";
import { renewTails } from "../../infra/tail/renew-tails.ts";
import { ReplicatedSeal } from "../../infra/tail/replicated-seal.ts";
import { ReplicatedTail } from "../../infra/tail/replicated-tail.ts";
import { tailTopic } from "../../infra/tail/tail-record.ts";
import { SpeedWorker } from "../../speed-layer/worker.ts";
import type { App } from "../../views/app.ts";
import type { View } from "../../views/view.ts";
import { Pointers } from "./running.ts";
import { appendOf, type Visit, visit, visits } from "./visits.ts";

/** A speed layer of several workers over one log, with the tails of any number of serving nodes. */
export class SeveralWorkers {
  readonly pointers = new Pointers();
  /** What was appended, by partition. */
  readonly appended: Visit[][] = [[], []];
  readonly workers = new Map<string, SpeedWorker>();
  readonly tails: ReplicatedTail[] = [];
  readonly gaps: string[] = [];
  /** Where workers that begin from now on look up what the log has let go of. */
  archivedIds: ArchivedIds | undefined;
  archivedEvents: ArchivedEvents | undefined;
  /** How long an append of a worker takes, in milliseconds. */
  appendMs = 0;
  readonly log: Log;
  readonly #seal: ReplicatedSeal;
  readonly #folder: string;

  readonly #snapshotBytes: number;

  readonly #app: App;

  private constructor(folder: string, log: Log, snapshotBytes: number, app: App) {
    this.#snapshotBytes = snapshotBytes;
    this.#app = app;
    this.#folder = folder;
    this.log = log;
    this.#seal = new ReplicatedSeal({ app, log, newId: randomUUID });
  }

  /** With snapshots so small that most runs have some. */
  static async start(snapshotBytes = 1_000, app: App = visits): Promise<SeveralWorkers> {
    const folder = await mkdtemp(join(tmpdir(), "tidemark-workers-"));
    const topics = [visit.name, tailTopic(visit.name)].map((name) => ({
      name,
      partitions: visit.partitions,
    }));
    const log = await LmdbLog.open({ path: folder, topics, mode: "writer" });
    return new SeveralWorkers(folder, log, snapshotBytes, app);
  }

  assign(worker: string, partitions: readonly number[]): void {
    let speed = this.workers.get(worker);
    if (speed === undefined) {
      speed = new SpeedWorker({
        app: this.#app,
        log: this.#slowed(),
        archivedIds: this.archivedIds,
        archivedEvents: this.archivedEvents,
        generations: this.pointers,
        newId: randomUUID,
        limits: { entries: 1_000_000, snapshotBytes: this.#snapshotBytes },
        onTailNearBound: () => {},
        onUnaligned: () => {},
        onGap: (error) => this.gaps.push(error.message),
      });
      this.workers.set(worker, speed);
    }
    speed.assign({ [visit.name]: partitions });
  }

  #slowed(): Log {
    return new Proxy(this.log, {
      get: (log, name: keyof Log) => {
        if (name !== "append") return typeof log[name] === "function" ? log[name].bind(log) : log[name];
        return async (records: readonly Append[]) => {
          await pause(this.appendMs);
          return log.append(records);
        };
      },
    });
  }

  async stop(worker: string): Promise<void> {
    await this.workers.get(worker)?.[Symbol.asyncDispose]();
    this.workers.delete(worker);
  }

  /** One more serving node, which has read what there is. */
  async serve(): Promise<ReplicatedTail> {
    const tail = new ReplicatedTail({ app: this.#app, log: this.log });
    this.tails.push(tail);
    await this.#unlessFailed(tail.ready);
    return tail;
  }

  async append(partition: number, made: readonly Visit[]): Promise<void> {
    this.appended[partition]?.push(...made);
    if (made.length > 0) await this.log.append(made.map((each) => appendOf(each, partition)));
  }

  get nexts(): readonly number[] {
    return this.appended.map((records) => records.length);
  }

  get seal(): ReplicatedSeal {
    return this.#seal;
  }

  /** Rejects if not every partition has an owner who answers within the time. */
  renew(withinMs: number): Promise<void> {
    const signal = AbortSignal.timeout(withinMs);
    return renewTails({ log: this.log, topics: this.#app.events, newId: randomUUID, signal });
  }

  /** Resolves once the condition holds of the tail; looks whenever it has advanced. */
  async until(tail: ReplicatedTail, holds: () => boolean): Promise<void> {
    while (!holds()) {
      await this.#unlessFailed(
        new Promise<void>((resolve) => {
          const advance = tail.onAdvance(() => {
            advance[Symbol.dispose]();
            resolve();
          });
        }),
      );
    }
  }

  async caughtUp(tail: ReplicatedTail, views: readonly View[] = visits.views): Promise<void> {
    const { nexts } = this;
    await this.until(tail, () =>
      views.every((view) => nexts.every((next, p) => (tail.position(view)[visit.name]?.[p] ?? 0) >= next)),
    );
  }

  /** Of a worker or a tail, nothing may fail meanwhile. */
  async #unlessFailed(work: Promise<void>): Promise<void> {
    const failing = [...this.workers.values(), ...this.tails].map(({ done }) => done.then(() => work));
    await Promise.race([work, ...failing]);
  }

  async end(): Promise<void> {
    for (const worker of [...this.workers.keys()]) await this.stop(worker);
    for (const tail of this.tails) await tail[Symbol.asyncDispose]();
    await this.log[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true });
  }
}
