import type { Manifest } from "../infra/generations/generations.ts";
import type { Run } from "../infra/jobs/jobs.ts";
import type { App } from "../views/app.ts";
import { measureByOrder } from "../views/exact-merge.ts";
import type { View } from "../views/view.ts";

/** How a run comes by a view's states: from all records, or from a generation's and the records since its cut. */
export type Way =
  | { readonly kind: "full"; readonly reason: string }
  | { readonly kind: "incremental"; readonly base: Manifest };

export interface WayParts {
  readonly app: App;
  readonly run: Pick<Run, "kind" | "full">;
  /** Whether the run has taken records of the view out of what is archived. */
  readonly hasErased: boolean;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** The age from which on a view's last full computation is too old; see `longestFullIntervalMs`. */
  readonly fullWithinMs: number;
}

/** Both ways give the same states, bit for bit. */
export function wayOf(parts: WayParts, view: View, current: Manifest | undefined): Way {
  const full = (reason: string): Way => ({ kind: "full", reason });
  const reason = reasonForFull(parts);
  if (reason !== undefined) return full(reason);
  const measure = measureByOrder(view);
  if (measure !== undefined) return full(`measure "${measure}" adds floats, whose sum depends on the order`);
  if (current === undefined) return full("there is no generation of this declaration");
  if (isTooOld(parts, current)) return full(`the last full computation is of ${fullAtOf(current)}`);
  return { kind: "incremental", base: current };
}

/** Whether the run computes everything from all records, as it was told to or since such a run was missed. */
export function isInFull(run: Omit<WayParts, "hasErased">, current: Iterable<Manifest | undefined>): boolean {
  const parts = { ...run, hasErased: false };
  if (reasonForFull(parts) !== undefined) return true;
  return [...current].some((manifest) => manifest !== undefined && isTooOld(parts, manifest));
}

/**
 * Why a run computes a view from all records, whatever else is so; undefined: it need not. The one place where a run is told
 * that it must: whatever changes records that are archived already gives its reason here.
 */
function reasonForFull({ app, run, hasErased }: WayParts): string | undefined {
  if (run.kind === "check") return "a check computes everything";
  if (hasErased) return "facts were erased";
  if (run.full) return "it was asked for";
  if (app.batch.full === "always") return 'the app says batch.full: "always"';
  return undefined;
}

function isTooOld(
  { nowMs, fullWithinMs }: Pick<WayParts, "nowMs" | "fullWithinMs">,
  current: Manifest,
): boolean {
  return nowMs - Date.parse(fullAtOf(current)) > fullWithinMs;
}

/** When the last generation was made that was computed from all records, which this one is or goes on from. */
export function fullAtOf({ base, createdAt }: Manifest): string {
  return base?.fullAt ?? createdAt;
}
