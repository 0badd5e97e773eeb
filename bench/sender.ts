/**
 * A client in a process of its own, so that what it does takes nothing from those that measure: reads rounds of flights, then
 * sends one for every message and answers with their position once they are acknowledged.
 */
import { Client } from "../cli/client.ts";
import { type Lines, loadLines } from "./lines.ts";

const [url = "", from, eventsPerRound, rounds] = process.argv.slice(2);
const client = new Client(url);
const loads: Lines[] = [];
for (let round = 0; round < Number(rounds); round++) {
  loads.push(await loadLines(Number(from) + round * Number(eventsPerRound), Number(eventsPerRound)));
}
process.on("message", async (round: number) => {
  const { pieces = [] } = loads[round] ?? {};
  const { position } = await client.ingest({ body: pieces, contentType: "application/x-ndjson" });
  process.send?.(position);
});
process.on("disconnect", () => process.exit());
process.send?.("ready");
