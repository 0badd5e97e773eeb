import { type Cut, formatCut, recordsBetween } from "../views/cut.ts";
import type { Layers } from "../views/layers.ts";
import { cutOf } from "../views/mapping.ts";
import type { View } from "../views/view.ts";
import type { Layer } from "./layer.ts";
import type { KnownBound } from "./log-bound.ts";
import type { Query } from "./parameters.ts";
import type { Snapshot } from "./snapshot.ts";

/** What an answer rests on. Positions are in the text form that `after` takes, of the view's own topics. */
export interface Provenance {
  readonly view: string;
  readonly fingerprint: string;
  /** Of the view, where the app declares several. */
  readonly version?: number;
  readonly layer: Layer;
  /** The one that alone computes the view, where it is declared so. */
  readonly layers?: Exclude<Layers, "both">;
  /** Null: no generation has a part in the answer. */
  readonly generation: string | null;
  /** Where the generation ends and the tail begins. */
  readonly cut: string;
  /** The answer is exactly the state at this position (with `layer=speed`: of what came since the cut). */
  readonly position: string;
  /** How many records of the log the position does not cover yet; the log's end is of 100 ms ago, or as it last answered. */
  readonly lag: number;
  /** Whether it covers all that there is; false as well while the log does not answer. */
  readonly complete: boolean;
  /** Of an answer as of the past, what was asked for. Lag and completeness are then of the moment that this names, and stay. */
  readonly asOf?: string;
}

/** By measure, why its value is not exact and by how much at most; the part of provenance that queries choose. */
export function approximationsOf({ measures }: Pick<Query, "measures">): Readonly<Record<string, string>> {
  return Object.fromEntries(
    measures.flatMap(({ name, aggregate: { approximation } }) =>
      approximation === undefined ? [] : [[name, approximation]],
    ),
  );
}

export function provenanceOf(
  layer: Layer,
  { view, reader, cutText, version }: Snapshot,
  position: Cut,
  logEnd: KnownBound,
  asOf?: string,
): Provenance {
  const lag = lagOf(view, position, logEnd.cut);
  return {
    view: view.name,
    fingerprint: view.fingerprint,
    ...(version !== undefined && { version }),
    layer,
    ...(view.layers !== "both" && { layers: view.layers }),
    generation: layer === "speed" ? null : (reader?.manifest.id ?? null),
    cut: cutText,
    position: formatOwn(view, position),
    lag,
    complete: lag === 0 && logEnd.isCurrent,
    ...(asOf !== undefined && { asOf }),
  };
}

/** The text of the part that speaks of the view's topics, every partition named. */
export function formatOwn(view: View, cut: Cut): string {
  return formatCut(cutOf(view, cut));
}

/** How many records of the view's topics lie between the position and the log's end. */
export function lagOf(view: View, position: Cut, logEnd: Cut): number {
  return recordsBetween(cutOf(view, position), cutOf(view, logEnd));
}
