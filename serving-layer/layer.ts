import { unreachable } from "../views/errors.ts";
import { notFolded, notRecomputed } from "../views/layers.ts";
import type { View } from "../views/view.ts";
import { readChoice } from "./parameter-text.ts";

/** What an answer is made of: generation and tail together, or one of them alone. */
export type Layer = "merged" | "batch" | "speed";

/** Of a view that one layer alone computes it is that one, asked for or not. Throws TIDEMARK_VIEW_LAYER for the other. */
export function readLayer(view: View, text = "merged"): Layer {
  const asked = readChoice("layer", text, ["merged", "batch", "speed"]);
  switch (view.layers) {
    case "both":
      return asked;
    case "batch":
      if (asked === "speed") throw notFolded(view, "ask without layer=speed");
      return "batch";
    case "speed":
      if (asked === "batch") throw notRecomputed(view, "ask without layer=batch");
      return "speed";
    default:
      return unreachable(view.layers);
  }
}
