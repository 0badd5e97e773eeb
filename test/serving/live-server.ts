import type { AddressInfo } from "node:net";
import { EventSource } from "eventsource";
import type { FastifyInstance } from "fastify";
import { createServer, type ServerOptions } from "../../infra/http.ts";
import { Chain } from "../../infra/tail/chain.ts";
import { ChainedTail } from "../../infra/tail/chained-tail.ts";
import type { LiveLimits } from "../../serving-layer/live/live-queries.ts";
import { registerServing } from "../../serving-layer/routes.ts";
import { defineApp } from "../../views/app.ts";
import type { Cut, Offset } from "../../views/cut.ts";
import type { StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import { PlainJobs } from "./plain-jobs.ts";
import { PlainDeadLetters, PlainGenerations, PlainLog } from "./plain-stores.ts";

// biome-ignore lint/suspicious/noExplicitAny: what a server answers is looked at member by member
export type Answer = any;

/** A listening server over a tail of real segments, that a test adds states of records to as a fold does. */
export class LiveServer implements AsyncDisposable {
  readonly generations = new PlainGenerations();
  readonly jobs = new PlainJobs();
  readonly log: PlainLog;
  readonly #view: View;
  readonly #chains: readonly Chain[];
  readonly #tail: ChainedTail;
  /** A fetch that is aborted leaves a connection that asks for nothing, and would be waited for. */
  readonly #server: FastifyInstance;
  readonly #serving: AsyncDisposable;
  #url = "";

  static async start(
    views: readonly View[],
    live: Partial<LiveLimits> = {},
    options: ServerOptions = {},
  ): Promise<LiveServer> {
    const server = new LiveServer(views, live, options);
    await server.#server.listen({ host: "127.0.0.1", port: 0 });
    server.#url = `http://127.0.0.1:${(server.#server.server.address() as AddressInfo).port}`;
    return server;
  }

  private constructor(views: readonly View[], live: Partial<LiveLimits>, options: ServerOptions) {
    this.#server = createServer({ forceCloseConnections: true, ...options });
    const [view] = views;
    if (view === undefined) throw new Error("a view is needed");
    this.#view = view;
    this.log = new PlainLog([view]);
    this.#chains = view.partitions.map((_, partition) => new Chain(view, partition, 0 as Offset));
    this.#tail = new ChainedTail(new Map([[view, this.#chains]]));
    this.#serving = registerServing(this.#server, {
      app: defineApp({ name: "test", views: [view] }),
      profile: "embedded",
      generations: this.generations,
      tail: this.#tail,
      log: this.log,
      jobs: this.jobs,
      deadLetters: new PlainDeadLetters(),
      live: { leastEveryMs: 1, ...live },
    });
  }

  get url(): string {
    return this.#url;
  }

  get position(): Cut {
    return this.#tail.position(this.#view);
  }

  /** One record each, of a partition. */
  add(partition: number, rows: readonly StateRow[]): void {
    const chain = this.#chains[partition];
    if (chain === undefined) throw new Error(`no partition ${partition}`);
    for (const row of rows) chain.open.mergeRow(row);
    chain.advance((chain.next + rows.length) as Offset);
    this.#tail.advanced();
  }

  seal(): void {
    for (const chain of this.#chains) chain.seal();
    this.#tail.boundariesChanged();
  }

  rowsUrl(parameters: Readonly<Record<string, string>>): string {
    return `${this.#url}/v1/views/${this.#view.name}/rows?${new URLSearchParams(parameters)}`;
  }

  async rows(parameters: Readonly<Record<string, string>>): Promise<Answer> {
    const response = await fetch(this.rowsUrl(parameters));
    return { status: response.status, ...((await response.json()) as object) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close();
    await this.#serving[Symbol.asyncDispose]();
  }
}

/** What somebody knows who follows a live query by a standard EventSource and does what the events say. */
export class Follower implements Disposable {
  readonly source: EventSource;
  readonly rows = new Map<string, Answer>();
  readonly events: string[] = [];
  provenance: Answer;
  key: readonly string[] = [];
  ending: Answer;
  readonly #waiting = new Set<() => void>();

  constructor(url: string) {
    this.source = new EventSource(url);
    for (const name of ["rows", "change", "end"]) {
      this.source.addEventListener(name, ({ data }) => this.#hear(name, JSON.parse(data)));
    }
  }

  #hear(name: string, data: Answer): void {
    this.events.push(name);
    if (name === "end") {
      this.ending = data;
      this.source.close();
    } else {
      if (name === "rows") {
        this.rows.clear();
        this.key = data.key;
      }
      for (const row of data.rows) this.rows.set(this.#keyOf(row), row);
      for (const key of data.gone ?? []) {
        if (!this.rows.delete(this.#keyOf(key)))
          throw new Error(`${JSON.stringify(key)} is gone that never was`);
      }
      this.provenance = data.provenance;
    }
    for (const wake of this.#waiting) wake();
  }

  #keyOf(row: Answer): string {
    return JSON.stringify(this.key.map((name) => row[name]));
  }

  /** Resolves once this holds after some event. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  [Symbol.dispose](): void {
    this.source.close();
  }
}
