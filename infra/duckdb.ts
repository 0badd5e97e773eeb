import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";

export interface DuckdbOptions {
  /** DuckDB's own notation: "2GB". Left alone it takes 80 % of the machine. */
  readonly memoryLimit: string;
  readonly threads: number;
  /** Where it spills what does not fit into memory. */
  readonly temporaryFolder: string;
}

/** An in-memory DuckDB that never reaches for the network. Its queries occupy libuv's thread pool while they run. */
export class Duckdb implements AsyncDisposable {
  readonly #instance: DuckDBInstance;
  readonly #connections = new Set<DuckDBConnection>();

  private constructor(instance: DuckDBInstance) {
    this.#instance = instance;
  }

  static async open(options: DuckdbOptions): Promise<Duckdb> {
    return new Duckdb(
      await DuckDBInstance.create(":memory:", {
        memory_limit: options.memoryLimit,
        threads: String(options.threads),
        temp_directory: options.temporaryFolder,
        autoinstall_known_extensions: "false",
        autoload_known_extensions: "false",
      }),
    );
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
