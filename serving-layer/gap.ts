import type { Cut } from "../views/cut.ts";
import { isRecomputed } from "../views/layers.ts";
import { offsetIn } from "../views/mapping.ts";
import type { View } from "../views/view.ts";

/**
 * Which records the view's tail has yet to fold and the log no longer holds, in words; undefined if there are none. Answers stay
 * right as of the position that they name, and nothing newer comes in until a batch run covers those records.
 */
export function gapOf(view: View, position: Cut, starts: Cut): string | undefined {
  const gone = view.partitions.flatMap(({ topic, partition }, number) => {
    const [at, start] = [offsetIn(position, view, number), starts[topic]?.[partition] ?? 0];
    return at < start ? [`[${at}, ${start}) of ${topic}/${partition}`] : [];
  });
  if (gone.length === 0) return undefined;
  const mend = isRecomputed(view)
    ? "a batch run makes up for it if the archive has them"
    : "the speed layer folds them from the archive, if that has them";
  return `view "${view.name}": the log has let go of records ${gone.join(", ")} before they were folded; ${mend}`;
}
