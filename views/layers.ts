import { TidemarkError } from "./errors.ts";
import type { View } from "./view.ts";

/**
 * Which layers compute a view. Of `"batch"` there are generations alone, of `"speed"` a tail alone that holds every record. It
 * changes no state: generations and tails stay what they are when it is declared otherwise.
 */
export type Layers = "both" | "batch" | "speed";

type OfLayers = Pick<View, "layers">;

const all: readonly Layers[] = ["both", "batch", "speed"];

/** Throws TIDEMARK_DECLARATION_VIEW for what names no layers. */
export function readLayers(view: string, layers: Layers = "both"): Layers {
  if (all.includes(layers)) return layers;
  throw new TidemarkError(
    "TIDEMARK_DECLARATION_VIEW",
    `view "${view}": layers is one of ${all.map((each) => `"${each}"`).join(", ")}, not ${JSON.stringify(layers)}`,
  );
}

/** Whether the speed layer keeps a tail of the view. */
export function isFolded({ layers }: OfLayers): boolean {
  return layers !== "batch";
}

/** Whether batch runs make generations of the view. */
export function isRecomputed({ layers }: OfLayers): boolean {
  return layers !== "speed";
}

/** Of a view that has no generations, where one is asked for. */
export function notRecomputed({ name }: Pick<View, "name">, instead: string): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_VIEW_LAYER",
    `view "${name}" is declared with layers: "speed", so that no generations of it are made: ${instead}`,
  );
}

/** Of a view that has no tail, where that is asked for. */
export function notFolded({ name }: Pick<View, "name">, instead: string): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_VIEW_LAYER",
    `view "${name}" is declared with layers: "batch", so that no tail of it is kept: ${instead}`,
  );
}
