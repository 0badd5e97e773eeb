import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { Timers } from "./timers.ts";

export interface DuckdbOptions {
  /** DuckDB's own notation: "2GB". Left alone it takes 80 % of the machine. */
  readonly memoryLimit: string;
  readonly threads: number;
  /** Where it spills what does not fit into memory. */
  readonly temporaryFolder: string;
  /** For statements that strangers write. */
  readonly confined?: Confinement;
}

/** Set, no statement reaches any file but those below the folders, nor any setting. Clocks show UTC. */
export interface Confinement {
  readonly folders: readonly string[];
  /** How much may be spilled, in DuckDB's own notation. */
  readonly temporaryLimit: string;
}

/** An in-memory DuckDB that never reaches for the network. Its queries occupy libuv's thread pool while they run. */
export class Duckdb implements AsyncDisposable {
  readonly #instance: DuckDBInstance;
  readonly #connections = new Set<DuckDBConnection>();

  private constructor(instance: DuckDBInstance) {
    this.#instance = instance;
  }

  static async open(options: DuckdbOptions): Promise<Duckdb> {
    const duckdb = new Duckdb(
      await DuckDBInstance.create(":memory:", {
        memory_limit: options.memoryLimit,
        threads: String(options.threads),
        temp_directory: options.temporaryFolder,
        // It tells a file from one that has taken its place by inode, size and the second of the last change: too little for us.
        enable_external_file_cache: "false",
        autoinstall_known_extensions: "false",
        autoload_known_extensions: "false",
      }),
    );
    if (options.confined !== undefined) await duckdb.#confine(options.confined);
    return duckdb;
  }

  async #confine({ folders, temporaryLimit }: Confinement): Promise<void> {
    const connection = await this.connect();
    for (const setting of [
      "TimeZone = 'UTC'",
      `max_temp_directory_size = ${quoteText(temporaryLimit)}`,
      `allowed_directories = [${folders.map(quoteText).join(", ")}]`,
      "enable_external_access = false",
      "lock_configuration = true",
    ]) {
      await connection.run(`SET GLOBAL ${setting}`);
    }
    this.disconnect(connection);
  }

  /** One query at a time per connection: who runs two side by side takes two. Closed with the instance. */
  async connect(): Promise<DuckDBConnection> {
    const connection = await this.#instance.connect();
    this.#connections.add(connection);
    return connection;
  }

  /** Gives a connection back early. */
  disconnect(connection: DuckDBConnection): void {
    if (this.#connections.delete(connection)) connection.closeSync();
  }

  /** Interrupts what is still running. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) {
      connection.interrupt();
      connection.closeSync();
    }
    this.#connections.clear();
    this.#instance.closeSync();
  }
}

/** A text as it stands in a statement that takes no parameters, such as the making of a view. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

const interruptAgainMs = 100;

/**
 * Does work on a connection that ends early, with an error, if the signal aborts. An interrupt that comes while DuckDB still
 * prepares a statement is lost on it, so it is sent again until the work has ended.
 */
export async function interruptible<T>(
  connection: DuckDBConnection,
  signal: AbortSignal,
  timers: Timers,
  work: () => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  let again: ReturnType<Timers["setTimeout"]> | undefined;
  const interrupt = () => {
    connection.interrupt();
    again = timers.setTimeout(interrupt, interruptAgainMs);
  };
  signal.addEventListener("abort", interrupt);
  try {
    return await work();
  } finally {
    signal.removeEventListener("abort", interrupt);
    timers.clearTimeout(again);
  }
}
