import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { Duckdb } from "../infra/duckdb.ts";
import { Lifecycle } from "../infra/lifecycle.ts";

/** A temporary folder and DuckDB, which spills into it. What a test opens besides is closed before both go. */
export class DuckdbHere extends Lifecycle {
  readonly root: string;
  readonly duckdb: Duckdb;
  readonly connection: DuckDBConnection;

  constructor(root: string, duckdb: Duckdb, connection: DuckDBConnection) {
    super();
    this.root = root;
    this.duckdb = duckdb;
    this.connection = connection;
    this.defer(() => rm(root, { recursive: true, force: true }));
    this.use(duckdb);
  }

  static async open<Here extends DuckdbHere>(
    this: new (
      ...parts: ConstructorParameters<typeof DuckdbHere>
    ) => Here,
    threads = 1,
  ): Promise<Here> {
    const root = await mkdtemp(join(tmpdir(), "tidemark-duckdb-"));
    const temporaryFolder = join(root, "spill");
    const duckdb = await Duckdb.open({ memoryLimit: "500MB", threads, temporaryFolder });
    return new this(root, duckdb, await duckdb.connect());
  }
}
