import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { type Embedded, startEmbedded } from "../../cli/embedded.ts";
import { loadApp } from "../../cli/load-app.ts";
import { readSecurity } from "../../cli/security.ts";
import { drainTimes } from "../../infra/drain.ts";
import type { PastLimits } from "../../serving-layer/as-of/past-limits.ts";
import { Client } from "../fault/client.ts";

const flights = fileURLToPath(new URL("../../examples/flights/app.ts", import.meta.url));

/** What `tidemark up` runs, at one address, without the start of a process of its own: for tests that kill nothing. */
export class PlatformHere extends Client {
  readonly #embedded: Embedded;
  #stopped: Promise<void> | undefined;

  private constructor(embedded: Embedded) {
    super(embedded.url);
    this.#embedded = embedded;
  }

  static async start(data: string, appPath = flights, past: Partial<PastLimits> = {}): Promise<PlatformHere> {
    const declared = await loadApp(appPath);
    const app = { ...declared, batch: { ...declared.batch, schedule: null } };
    const logger = pino({ level: "warn" }, pino.destination(2));
    return new PlatformHere(
      await startEmbedded({
        ...{ app, appPath: resolve(appPath), data, host: "127.0.0.1", port: 0, logger, tracing: undefined },
        security: await readSecurity({}, app, logger),
        drain: drainTimes({}),
        past,
      }),
    );
  }

  /** As after SIGTERM. */
  stop(): Promise<void> {
    this.#stopped ??= Promise.resolve(this.#embedded[Symbol.asyncDispose]());
    return this.#stopped;
  }
}
