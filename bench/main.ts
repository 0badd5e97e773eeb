/**
 * `npm run bench -- [--kafka | --kappa] [--only PART[,PART…]] [--write]`: what Tidemark costs over the bare minimum,
 * side by side in one run, as a Markdown table; `--write` puts it into the README. `--kappa`: what the speed layer
 * alone costs over the batch layer.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Lifecycle } from "../infra/lifecycle.ts";
import { benchCompaction } from "./compaction.ts";
import { benchCompute } from "./compute.ts";
import { benchFold, benchSixMeasures } from "./fold.ts";
import { benchIncremental } from "./incremental.ts";
import { benchKafka } from "./kafka/bench.ts";
import { benchKappa } from "./kappa.ts";
import { isWithin, type Row } from "./rounds.ts";
import { benchGateway, benchServer, serverParts } from "./server.ts";
import { benchSketches } from "./sketches.ts";
import { describeMachine, formatMeasured, formatTable, writeIntoReadme } from "./table.ts";
import { benchTopRows } from "./top-rows.ts";

const parts: readonly string[] = [
  "gateway",
  ...serverParts,
  "fold",
  "compute",
  "compaction",
  "sketches",
  "top-rows",
];

/** What runs in this process comes last: it leaves garbage, which would lengthen the latencies that are measured here. */
async function bench(
  lifecycle: Lifecycle,
  isWanted: (part: string) => boolean,
  report: (row: Row) => void,
): Promise<void> {
  const folder = await makeFolder(lifecycle);
  await mkdir(join(folder, "scratch"));
  if (isWanted("gateway")) report(await benchGateway(folder));
  if (serverParts.some(isWanted)) await benchServer(folder, isWanted, report);
  if (isWanted("fold")) {
    report(await benchFold());
    report(await benchSixMeasures());
  }
  if (isWanted("compute")) report(await benchCompute(folder));
  if (isWanted("compaction")) report(await benchCompaction(folder));
  if (isWanted("sketches")) for (const row of await benchSketches(folder)) report(row);
  if (isWanted("incremental")) for (const row of await benchIncremental(folder)) report(row);
  if (isWanted("top-rows")) for (const row of await benchTopRows(folder)) report(row);
}

async function makeFolder(lifecycle: Lifecycle): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-bench-"));
  lifecycle.defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Takes minutes before anything is measured: only by its name. */
const partsByName: readonly string[] = ["incremental"];

/** Throws an Error that names the parts. */
function readParts(only: string | undefined): (part: string) => boolean {
  const wanted = only?.split(",") ?? parts;
  const known = [...parts, ...partsByName];
  const unknown = wanted.find((part) => !known.includes(part));
  if (unknown !== undefined) throw new Error(`there is no part "${unknown}"; there are ${known.join(", ")}`);
  return (part) => wanted.includes(part);
}

const { values } = parseArgs({
  options: {
    kafka: { type: "boolean", default: false },
    kappa: { type: "boolean", default: false },
    only: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
if (values.only !== undefined && (values.kafka || values.kappa || values.write)) {
  throw new Error(
    "--only is for looking at some parts of the embedded bench: not with --kafka, --kappa or --write",
  );
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
  let table: string;
  if (values.kappa) {
    table = await benchKappa(await makeFolder(lifecycle), (line) => process.stderr.write(`${line}\n`));
  } else {
    if (values.kafka) await benchKafka(lifecycle, report, note);
    else await bench(lifecycle, isWanted, report);
    table = formatTable(rows);
  }
  const text = [table, ...notes, `Medians of alternating rounds. ${describeMachine()}`].join("\n\n");
  process.stdout.write(`${text}\n`);
  const place = values.kappa ? "bench:kappa" : values.kafka ? "bench:kafka" : "bench";
  if (values.write) await writeIntoReadme(place, text);
  if (!rows.every(({ measured, mark }) => isWithin(measured, mark))) process.exitCode = 1;
} finally {
  await lifecycle[Symbol.asyncDispose]();
}
