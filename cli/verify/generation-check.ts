import type { DuckDBConnection } from "@duckdb/node-api";
import { readStateRows } from "../../batch-layer/state-rows.ts";
import type { Generations, Manifest } from "../../infra/generations/generations.ts";
import type { Log } from "../../infra/log/log.ts";
import type { Master } from "../../infra/master/master.ts";
import type { TailSegment } from "../../infra/tail/segment.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import { foldFromLog } from "../../speed-layer/prefix.ts";
import { type Cut, cutCovers, formatCut, offset } from "../../views/cut.ts";
import { offsetIn } from "../../views/mapping.ts";
import { joinSorted, mergeSorted } from "../../views/sorted-rows.ts";
import { encodeCell, isSameCell, type StateRow } from "../../views/state.ts";
import { noiseOf, type View } from "../../views/view.ts";
import type { Check } from "./check.ts";

export interface GenerationParts {
  readonly view: View;
  readonly generations: Generations;
  readonly log: Log;
  readonly master: Pick<Master, "cut" | "files">;
  readonly connection: DuckDBConnection;
}

/**
 * The generation that serves holds, in its index and in its Parquet file, the very states that the speed layer's fold gives
 * for the log's records before its cut; where the log has let go of some, or still has what was erased, the two hold the
 * same. Of older ones: whole, and no longer than what is archived.
 */
export async function checkGenerations(check: Check, parts: GenerationParts): Promise<void> {
  const { view, generations, master } = parts;
  const archived = await master.cut();
  const manifests = await generations.list(view.name);
  checkCuts(check, archived, manifests);
  const current = await generations.current(view);
  if (current === undefined) {
    check.covered = manifests.length === 0 ? "none yet" : "none of the present declaration";
    return;
  }
  const isWhole = await isLogWhole(parts);
  await compareStates(check, parts, current, isWhole);
  const unchecked = isWhole ? "" : "; not held against the log, which does not have the same records";
  check.covered = `${manifests.length} kept, ${current.rows.toLocaleString("en")} rows in ${current.id}${unchecked}`;
}

/** What is kept of the past holds as well the very states that the fold gives for the records before its cut. */
export async function checkPasts(check: Check, parts: GenerationParts): Promise<void> {
  const { view, generations, master } = parts;
  const all = await generations.list(view.name);
  const manifests = all.filter(({ fingerprint }) => fingerprint === view.fingerprint);
  checkCuts(check, await master.cut(), manifests);
  const isWhole = await isLogWhole(parts);
  for (const manifest of manifests) await compareStates(check, parts, manifest, isWhole);
  check.covered = `${manifests.length} kept${isWhole ? "" : "; not held against the log, which does not have the same records"}`;
}

function checkCuts(check: Check, archived: Cut, manifests: readonly Manifest[]): void {
  for (const { id, cut } of manifests) {
    if (!cutCovers(archived, cut)) {
      check.problem(`${id}: its cut ${formatCut(cut)} is beyond the archive ${formatCut(archived)}`);
    }
  }
}

async function isLogWhole({ view, log, master }: GenerationParts): Promise<boolean> {
  for (const { event } of view.mappings) {
    // A log that is encrypted has forgotten what was erased.
    if (event.encrypted) continue;
    if ((await master.files(event.name)).some(({ erased }) => erased !== undefined)) return false;
  }
  for (const { topic, partition } of view.partitions) {
    if (((await log.starts(topic))[partition] ?? 0) > 0) return false;
  }
  return true;
}

async function compareStates(
  check: Check,
  parts: GenerationParts,
  manifest: Manifest,
  isLogWhole: boolean,
): Promise<void> {
  const { view, generations, connection } = parts;
  const stored: StateRow[] = [];
  await using reader = await generations.open(view, manifest.id);
  for await (const rows of readStateRows(connection, view, reader.statesPaths)) stored.push(...rows);
  if (stored.length !== manifest.rows)
    check.problem(`${manifest.id}: ${stored.length} rows, its manifest says ${manifest.rows}`);
  const segments = isLogWhole ? await foldUpTo(parts, manifest.cut) : [];
  const folded = isLogWhole
    ? [
        ...mergeSorted(
          view,
          segments.map((segment) => segment.sortedRows()),
        ),
      ]
    : stored;
  for (const rows of joinSorted([folded, stored, reader.scan([], undefined, undefined)])) {
    const [right, inFile, inIndex] = rows;
    for (const [name, row] of [
      ["states.parquet", inFile],
      ["index", inIndex],
    ] as const) {
      if (!isSameState(view, right, row)) {
        check.problem(
          `${manifest.id}: ${name} has ${words(row)} where ${isLogWhole ? "the records give" : "states.parquet has"} ${words(right)}`,
        );
      }
    }
  }
}

async function foldUpTo({ view, log }: GenerationParts, cut: Cut): Promise<readonly TailSegment[]> {
  const folds = new Map(view.mappings.map((mapping) => [mapping, compileFold(view, mapping)]));
  const segments: TailSegment[] = [];
  for (const [partition, { mapping }] of view.partitions.entries()) {
    const fold = folds.get(mapping) ?? compileFold(view, mapping);
    const next = offsetIn(cut, view, partition);
    segments.push(
      await foldFromLog(
        { log },
        {
          ...{ view, fold, partition, from: offset(0), next },
          maxEntries: Number.POSITIVE_INFINITY,
          signal: new AbortController().signal,
        },
      ),
    );
  }
  return segments;
}

/** Floats may differ in their last digits, since the layers add in different orders. */
export function isSameState(view: View, a: StateRow | undefined, b: StateRow | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return view.columns.every(({ type }, i) => {
    const [x, y] = [a.cells[i] ?? null, b.cells[i] ?? null];
    if (type !== "float" || x === y) return isSameCell(x, y);
    const rounding = 1e-9 * Math.max(1, Math.abs(Number(x)), Math.abs(Number(y)));
    return Math.abs(Number(x) - Number(y)) <= Math.max(rounding, noiseOf(view, a.cells, i));
  });
}

export function words(row: StateRow | undefined): string {
  if (row === undefined) return "nothing";
  const cells = row.cells.map((cell) =>
    typeof cell === "bigint" ? `${cell}` : shorten(JSON.stringify(encodeCell(cell))),
  );
  return `${JSON.stringify(row.dimensions)} pane ${row.pane} [${cells.join(", ")}]`;
}

function shorten(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 80)}…`;
}
