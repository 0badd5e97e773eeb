import type { DriftExample } from "../../infra/generations/generations.ts";
import { formatCut } from "../../views/cut.ts";
import type { View } from "../../views/view.ts";
import { formatBytes, formatCount, formatRate, formatSpan, plural } from "../quantity.ts";
import { renderTable } from "../table.ts";
import { paint, type Terminal } from "../terminal.ts";
import type { Compared, Outcome } from "./replay.ts";

export function isEqual({ held }: Outcome): boolean {
  return (held.generation?.differing ?? 0) === 0 && held.computed.differing === 0;
}

export function describeOutcome(terminal: Terminal, view: View, outcome: Outcome): string {
  const { generation, held, replayed } = outcome;
  const { duplicates, undecodable, forgotten } = replayed.skipped;
  const from = [
    `${formatCount(replayed.log.offsets)} of them from the log`,
    `${formatCount(replayed.master.offsets)} from the master dataset`,
    ...(duplicates === 0 ? [] : [plural(duplicates, "duplicate")]),
    ...(undecodable === 0 ? [] : [`${formatCount(undecodable)} no events`]),
    ...(forgotten === 0 ? [] : [`${formatCount(forgotten)} forgotten`]),
  ];
  return [
    `${paint(terminal, "bold", view.name)}: ${plural(recordsOf(outcome), "record")} up to ${formatCut(outcome.cut)}, ${from.join(", ")}\n`,
    held.generation === null ? "" : describeHeld(terminal, held.generation, `generation ${generation}`),
    describeHeld(terminal, held.computed, "the same computed by SQL now"),
    outcome.keptAs === null ? "" : `kept as ${outcome.keptAs}, by which --as-of asks for it\n`,
    `\n${renderCosts(outcome)}`,
  ].join("");
}

function describeHeld(terminal: Terminal, { keys, differing, examples }: Compared, other: string): string {
  if (differing === 0) {
    return `${paint(terminal, "green", "equal")}: all ${plural(keys, "key")}, folded and in ${other}\n`;
  }
  const shown = renderTable([
    { title: "key", values: examples.map(({ dimensions }) => JSON.stringify(dimensions)) },
    { title: "pane", values: examples.map(({ pane }) => String(pane)) },
    { title: "batch", values: examples.map(({ batch }) => side(batch)) },
    { title: "folded", values: examples.map(({ served }) => side(served)) },
  ]);
  const verdict = `${paint(terminal, "red", "DIFFERENT")}: ${formatCount(differing)} of ${plural(keys, "key")}, folded and in ${other}`;
  return `${verdict}; the first:\n${shown}`;
}

/** As `tidemark compare` shows them. */
function side(values: DriftExample["batch"]): string {
  return values === null ? "no such row" : JSON.stringify(values);
}

function renderCosts(outcome: Outcome): string {
  const { fold, batch } = outcome;
  const records = recordsOf(outcome);
  const column = (cost: Outcome["fold"]) => [
    formatSpan(cost.wallMs),
    formatSpan(cost.cpuMs),
    formatBytes(cost.bytes),
    formatRate(records, cost.wallMs),
  ];
  return renderTable([
    { title: "", values: ["wall time", "CPU time", "read", "records"] },
    { title: "fold", values: column(fold), align: "right" },
    { title: "SQL", values: column(batch), align: "right" },
  ]);
}

/** As `--json` prints it. */
export function shownOutcome(view: View, outcome: Outcome): Readonly<Record<string, unknown>> {
  const { cut, generation, replayed, fold, batch, held, keptAs } = outcome;
  const records = recordsOf(outcome);
  const cost = ({ wallMs, cpuMs, bytes }: Outcome["fold"]) => ({
    ...{ wallMs: Math.round(wallMs), cpuMs: Math.round(cpuMs), bytesRead: bytes },
    recordsPerSecond: Math.round((records * 1000) / Math.max(wallMs, 1)),
  });
  return {
    ...{ view: view.name, generation, cut: formatCut(cut), equal: isEqual(outcome), records },
    ...{ fromLog: replayed.log.offsets, fromMaster: replayed.master.offsets, ...replayed.skipped },
    ...{ fold: cost(fold), batch: cost(batch), keptAs },
    ...{
      heldAgainstGeneration: held.generation && shownHeld(held.generation),
      heldAgainstSql: shownHeld(held.computed),
    },
  };
}

function shownHeld({ keys, differing, largestDrift, examples }: Compared) {
  return {
    ...{ keys, differing, largestDrift },
    examples: examples.map(({ served, ...example }) => ({ ...example, folded: served })),
  };
}

function recordsOf({ replayed }: Outcome): number {
  return replayed.log.offsets + replayed.master.offsets;
}
