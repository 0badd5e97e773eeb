import { parseArgs } from "node:util";
import { readChanges } from "./reader.ts";

/** Reads a PostgreSQL's changes into Tidemark until it is told to end. */
const { values } = parseArgs({
  options: {
    postgres: { type: "string", default: "postgres://postgres@127.0.0.1:5432/postgres" },
    tidemark: { type: "string", default: "http://127.0.0.1:4100" },
    publication: { type: "string", default: "tidemark" },
    slot: { type: "string", default: "tidemark" },
    name: { type: "string", default: "shop" },
  },
});
const abort = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => abort.abort());
await readChanges({ ...values, apiKey: process.env.TIDEMARK_API_KEY }, abort.signal);
