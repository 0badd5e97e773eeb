import type { DuckDBConnection } from "@duckdb/node-api";
import type { Duckdb } from "../infra/duckdb.ts";

/** A connection that nobody else uses until this is disposed of. */
export interface Lease extends Disposable {
  readonly connection: DuckDBConnection;
}

/** Connections that scan side by side: each takes all threads that DuckDB has. */
const atOnce = 2;

/** The connections that scans are carried out on; who finds none free waits. */
export class ScanConnections implements AsyncDisposable {
  readonly #open: () => Promise<Duckdb>;
  #duckdb: Promise<Duckdb> | undefined;
  #connected = 0;
  readonly #idle: DuckDBConnection[] = [];
  readonly #waiting: ((connection: DuckDBConnection) => void)[] = [];

  /** `open` is called with the first scan. */
  constructor(open: () => Promise<Duckdb>) {
    this.#open = open;
  }

  /** One that is free at this moment. */
  idle(): Lease | undefined {
    const connection = this.#idle.pop();
    return connection && this.#lease(connection);
  }

  async take(): Promise<Lease> {
    const idle = this.idle();
    if (idle !== undefined) return idle;
    if (this.#connected >= atOnce)
      return this.#lease(await new Promise((resolve) => this.#waiting.push(resolve)));
    this.#connected++;
    this.#duckdb ??= this.#open();
    return this.#lease(await (await this.#duckdb).connect());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const duckdb = await this.#duckdb?.catch(() => undefined);
    await duckdb?.[Symbol.asyncDispose]();
  }

  #lease(connection: DuckDBConnection): Lease {
    return {
      connection,
      [Symbol.dispose]: () => {
        const next = this.#waiting.shift();
        if (next === undefined) this.#idle.push(connection);
        else next(connection);
      },
    };
  }
}
