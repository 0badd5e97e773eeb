import { readFile, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, totalmem } from "node:os";
import { type Bound, isWithin, type Row } from "./rounds.ts";

/** As Markdown. */
export function formatTable(rows: readonly Row[]): string {
  return [
    "| what | against | mark | aim | measured | |",
    "|---|---|---|---|---|---|",
    ...rows.map(
      (row) =>
        `| ${row.what} | ${row.against} | ${formatBound(row.mark)} | ${formatBound(row.aim)} | **${formatMeasured(row)}**${verdict(row)} | ${row.detail} |`,
    ),
  ].join("\n");
}

function formatBound({ kind, value, unit }: Bound): string {
  if (kind === "none") return "–";
  return `${kind === "at-least" ? "≥" : "≤"} ${value}${unit}`;
}

export function formatMeasured({ measured, mark }: Row): string {
  return `${measured.toFixed(mark.unit === " ms" ? 1 : 2)}${mark.unit}`;
}

function verdict({ measured, mark, aim }: Row): string {
  if (mark.kind === "none") return "";
  if (!isWithin(measured, mark)) return " misses the mark";
  return isWithin(measured, aim) ? " reaches the aim" : " meets the mark";
}

export function describeMachine(): string {
  const memory = `${Math.round(totalmem() / 1024 ** 3)} GiB`;
  const date = new Date().toISOString().slice(0, 10);
  return `${date}, ${availableParallelism()} cores (${cpus()[0]?.model ?? "unknown"}), ${memory}, Node ${process.version}`;
}

const readme = new URL("../README.md", import.meta.url);

/** Puts the text where the README has the last one, after the marker `<!-- name -->` up to the line that tells the machine. */
export async function writeIntoReadme(name: string, text: string): Promise<void> {
  const before = await readFile(readme, "utf8");
  const marker = `<!-- ${name} -->\n`;
  const from = before.indexOf(marker) + marker.length;
  const last = /^Medians of alternating rounds\..*$/m.exec(before.slice(from));
  if (from < marker.length || last === null) throw new Error(`the README has no table under ${marker}`);
  await writeFile(readme, before.slice(0, from) + text + before.slice(from + last.index + last[0].length));
}
