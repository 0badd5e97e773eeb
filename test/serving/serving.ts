import type { FastifyInstance } from "fastify";
import type { DimensionFiles } from "../../infra/dimensions/dimension-file.ts";
import { createServer, type ServerOptions } from "../../infra/http.ts";
import { type Clock, systemClock } from "../../serving-layer/clock.ts";
import { registerServing, type ServingParts } from "../../serving-layer/routes.ts";
import { defineApp } from "../../views/app.ts";
import type { View } from "../../views/view.ts";
import { PlainJobs } from "./plain-jobs.ts";
import { PlainDeadLetters, PlainGenerations, PlainLog, PlainTail } from "./plain-stores.ts";

export interface Serving extends AsyncDisposable {
  readonly publishChanges: ReturnType<typeof registerServing>["publishChanges"];
  readonly server: FastifyInstance;
  readonly generations: PlainGenerations;
  readonly tail: PlainTail;
  readonly log: PlainLog;
  readonly jobs: PlainJobs;
  readonly deadLetters: PlainDeadLetters;
  get(url: string, secret?: string): Promise<{ status: number; body: Answer }>;
}

// biome-ignore lint/suspicious/noExplicitAny: what a server answers is looked at member by member
type Answer = any;

/** A real server over plain stores. */
export function startServing(
  views: readonly View[],
  clock: Clock = systemClock,
  files: DimensionFiles = new Map(),
  options: ServerOptions = {},
  { tail = new PlainTail(), ...more }: Pick<ServingParts, "pointers" | "past"> & { tail?: PlainTail } = {},
): Serving {
  const app = defineApp({ name: "test", views });
  const parts = {
    generations: new PlainGenerations(),
    tail,
    log: new PlainLog(app.views),
    jobs: new PlainJobs(),
    deadLetters: new PlainDeadLetters(),
  };
  const server = createServer(options);
  const serving = registerServing(server, { app, profile: "embedded", clock, files, ...parts, ...more });
  return {
    ...parts,
    server,
    publishChanges: serving.publishChanges,
    async get(url, secret) {
      const headers = secret === undefined ? {} : { authorization: `Bearer ${secret}` };
      const { statusCode, payload } = await server.inject({ method: "GET", url, headers });
      return { status: statusCode, body: JSON.parse(payload) };
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await serving[Symbol.asyncDispose]();
    },
  };
}

/** After everything that is due has been done. */
export function settled(): Promise<void> {
  return systemClock.nextTurn();
}
