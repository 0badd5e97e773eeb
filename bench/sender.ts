/**
 * A client in a process of its own, so that what it does takes nothing from those that measure: told to load it reads the next
 * flights, told to send it sends them, and answers with their position once they are acknowledged.
 */
import { Client } from "../cli/client.ts";
import { loadLines } from "./lines.ts";

const [url = "", start, count] = process.argv.slice(2);
const client = new Client(url);
const events = Number(count);
let from = Number(start);
let pieces: readonly Buffer[] = [];
process.on("message", async (order: "load" | "send") => {
  if (order === "load") {
    ({ pieces } = await loadLines(from, events));
    from += events;
    process.send?.("loaded");
  } else {
    const { position } = await client.ingest({ body: pieces, contentType: "application/x-ndjson" });
    process.send?.(position);
  }
});
process.on("disconnect", () => process.exit());
