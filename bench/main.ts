/**
 * `npm run bench -- [--kafka] [--only PART[,PART…]] [--write]`: what Tidemark costs over the bare minimum, side by side in one
 * run, as a Markdown table; `--write` puts it into the README.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Lifecycle } from "../infra/lifecycle.ts";
import { benchCompute } from "./compute.ts";
import { benchFold, benchSixMeasures } from "./fold.ts";
import { benchKafka } from "./kafka/bench.ts";
import { isWithin, type Row } from "./rounds.ts";
import { benchGateway, benchServer, serverParts } from "./server.ts";
import { benchSketches } from "./sketches.ts";
import { describeMachine, formatMeasured, formatTable, writeIntoReadme } from "./table.ts";
import { benchTopRows } from "./top-rows.ts";

const parts: readonly string[] = ["gateway", ...serverParts, "fold", "compute", "sketches", "top-rows"];

/** What runs in this process comes last: it leaves garbage, which would lengthen the latencies that are measured here. */
async function bench(
  lifecycle: Lifecycle,
  isWanted: (part: string) => boolean,
  report: (row: Row) => void,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-bench-"));
  lifecycle.defer(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, "scratch"));
  if (isWanted("gateway")) report(await benchGateway(folder));
  if (serverParts.some(isWanted)) await benchServer(folder, isWanted, report);
  if (isWanted("fold")) {
    report(await benchFold());
    report(await benchSixMeasures());
  }
  if (isWanted("compute")) report(await benchCompute(folder));
  if (isWanted("sketches")) for (const row of await benchSketches(folder)) report(row);
  if (isWanted("top-rows")) for (const row of await benchTopRows(folder)) report(row);
}

/** Throws an Error that names the parts. */
function readParts(only: string | undefined): (part: string) => boolean {
  const wanted = only?.split(",") ?? parts;
  const unknown = wanted.find((part) => !parts.includes(part));
  if (unknown !== undefined) throw new Error(`there is no part "${unknown}"; there are ${parts.join(", ")}`);
  return (part) => wanted.includes(part);
}

const { values } = parseArgs({
  options: {
    kafka: { type: "boolean", default: false },
    only: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
if (values.only !== undefined && (values.kafka || values.write)) {
  throw new Error("--only is for looking at some parts of the embedded bench: not with --kafka or --write");
}
const isWanted = readParts(values.only);
const rows: Row[] = [];
const notes: string[] = [];
const report = (row: Row) => {
  rows.push(row);
  process.stderr.write(`${row.what}: ${formatMeasured(row)} (${row.detail})\n`);
};
const note = (text: string) => {
  notes.push(text);
  process.stderr.write(`${text}\n`);
};
const lifecycle = new Lifecycle();
try {
  if (values.kafka) await benchKafka(lifecycle, report, note);
  else await bench(lifecycle, isWanted, report);
  const text = [formatTable(rows), ...notes, `Medians of alternating rounds. ${describeMachine()}`].join(
    "\n\n",
  );
  process.stdout.write(`${text}\n`);
  if (values.write) await writeIntoReadme(values.kafka ? "bench:kafka" : "bench", text);
  if (!rows.every(({ measured, mark }) => isWithin(measured, mark))) process.exitCode = 1;
} finally {
  await lifecycle[Symbol.asyncDispose]();
}
