import { parsePosition } from "../views/cut.ts";
import type { Provenance } from "./answers.ts";
import { formatCount } from "./quantity.ts";

/** What an answer rests on, in one line. */
export function describeProvenance(provenance: Provenance): string {
  const { version, layer, generation, cut, position, lag, approximate, asOf } = provenance;
  const covered = countRecords(cut);
  const after = countRecords(position) - covered;
  const none = asOf === undefined ? "no generation yet" : "no generation";
  const batch = generation === null ? none : `${generation} with ${formatCount(covered)} records`;
  const speed = `${formatCount(after)} since`;
  const parts = {
    merged: `merged: ${batch}, ${speed}`,
    batch: `batch: ${batch}`,
    speed: `speed: ${speed}`,
  };
  const inexact = Object.entries(approximate).map(
    ([measure, bound]) => `${measure} is approximate (${bound})`,
  );
  const behind = lag === 0 ? "complete" : `${formatCount(lag)} records behind`;
  const ofVersion = version === undefined ? [] : [`version ${version}`];
  const past = asOf === undefined ? [] : [`as of ${asOf}`];
  return [...ofVersion, ...past, parts[layer], behind, ...inexact].join(" · ");
}

/** Records below a position, over all its partitions: `topic@0:12,1:30` is 42. */
export function countRecords(position: string, topic?: string): number {
  if (position === "") return 0;
  let count = 0;
  for (const [name, partitions] of parsePosition(position)) {
    if (topic !== undefined && name !== topic) continue;
    for (const next of partitions.values()) count += next;
  }
  return count;
}
