import { SealedTailReader } from "../../infra/tail/sealed-tail.ts";
import type { Cut } from "../../views/cut.ts";
import { placesByHour, visits } from "./visits.ts";

/** Prints the sealed rows of `placesByHour` for each pair of cuts, cells as text. */
const [path = "", ranges = "[]"] = process.argv.slice(2);
const reader = new SealedTailReader({ path, app: visits });
const printed = (JSON.parse(ranges) as readonly (readonly [Cut, Cut])[]).map(([from, to]) =>
  [...(reader.rows(placesByHour, from, to) ?? [])].map((row) => ({ ...row, cells: row.cells.map(String) })),
);
console.log(JSON.stringify(printed));
await reader[Symbol.asyncDispose]();
