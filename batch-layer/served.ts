import type { Generations, Manifest } from "../infra/generations/generations.ts";
import type { Lifecycle } from "../infra/lifecycle.ts";
import type { SealedTail } from "../infra/tail/tail.ts";
import { type Cut, cutsEqual, formatCut } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import { isFolded } from "../views/layers.ts";
import { cutOf } from "../views/mapping.ts";
import { mergeSorted } from "../views/sorted-rows.ts";
import type { StateRow } from "../views/state.ts";
import type { View } from "../views/view.ts";
import type { Served } from "./reconcile.ts";
import type { Sealing } from "./run-cut.ts";

export interface ServedFrom {
  readonly generations: Generations;
  readonly sealedTail: SealedTail;
}

/**
 * What was being served of the view at the cut: the generation `current` merged with the sealed tail from its cut on. With
 * no generation of this declaration the tail alone was. Where the two do not make up `[0, cut)` it says why not.
 */
export async function servedAt(
  { generations, sealedTail }: ServedFrom,
  view: View,
  current: Manifest | undefined,
  cut: Cut,
  sealing: Sealing,
  ends: Lifecycle,
): Promise<Served> {
  if (!isFolded(view))
    return { kind: "unknown", reason: `the view is declared with layers: "batch": no tail of it is kept` };
  const from = cutOf(view, current?.cut ?? {});
  const to = cutOf(view, cut);
  const tail = sealedRows(sealedTail, view, from, to, sealing);
  if (tail.kind === "unknown")
    return { kind: "unknown", reason: await explain(generations, view, current, tail.reason) };
  if (current === undefined) return { kind: "served", against: null, rows: tail.rows };
  try {
    const reader = ends.use(await generations.open(view, current.id));
    const rows = mergeSorted(view, [reader.scan([], undefined, undefined), tail.rows]);
    return { kind: "served", against: current.id, rows };
  } catch (error) {
    // A generation that can't be read any more must not keep the run that replaces it from being made.
    if (!(error instanceof TidemarkError) || error.code !== "TIDEMARK_STORE_CORRUPT") throw error;
    return { kind: "unknown", reason: `generation "${current.id}" can't be read: ${error.message}` };
  }
}

/** The tail's rows between two cuts, in order of key, or why there are none to be had. */
export type SealedRows =
  | { readonly kind: "sealed"; readonly rows: Iterable<StateRow> }
  | { readonly kind: "unknown"; readonly reason: string };

/** Of `[from, to)`, both of the view's topics. Nothing came since the cut: no rows, and no need of a seal. */
export function sealedRows(
  sealedTail: SealedTail,
  view: View,
  from: Cut,
  to: Cut,
  sealing: Sealing,
): SealedRows {
  if (cutsEqual(from, to)) return { kind: "sealed", rows: [] };
  if (sealing.kind === "unsealed") return { kind: "unknown", reason: sealing.reason };
  const rows = sealedTail.rows(view, from, to);
  if (rows !== undefined) return { kind: "sealed", rows };
  const reason = `the speed layer holds no sealed states that cover exactly ${formatCut(from)} to ${formatCut(to)}`;
  return { kind: "unknown", reason };
}

async function explain(
  generations: Generations,
  view: View,
  current: Manifest | undefined,
  reason: string,
): Promise<string> {
  if (current !== undefined) return reason;
  const [former] = await generations.list(view.name);
  return former === undefined
    ? `the view's first generation; ${reason}`
    : `the first generation of the view as it is declared now (${view.fingerprint}, formerly ${former.fingerprint}); ${reason}`;
}
