import { TidemarkError } from "./errors.ts";
import type { Layers } from "./layers.ts";

/**
 * How a version takes over its family's name: by hand, or by itself after the batch run from which on `when` holds. It changes no
 * state, and is no part of the meaning.
 */
export type Flip = "manual" | { readonly when: FlipConditions };

export interface FlipConditions {
  /** Batch runs without drift, one after the other, each up to a later cut than the one before. */
  readonly cleanRuns: number;
  /** The largest share of all rows, 0 to 1, that may differ from those of the active version; null: any. */
  readonly changedShare: number | null;
}

/** As it is declared: `cleanRuns` is 1 if nothing is said, and of `changedShare` any. */
export type FlipDeclaration = "manual" | { readonly when: Partial<FlipConditions> };

const mostRuns = 1_000;

/** Throws TIDEMARK_DECLARATION_VIEW. */
export function readFlip(
  view: { readonly name: string; readonly version: number; readonly layers: Layers },
  declared: FlipDeclaration = "manual",
): Flip {
  if (declared === "manual") return declared;
  const fail = (reason: string): never => {
    throw new TidemarkError("TIDEMARK_DECLARATION_VIEW", `view "${view.name}": ${reason}`);
  };
  const given: unknown = declared;
  const when = isObject(given) && Object.keys(given).join() === "when" ? given.when : undefined;
  const known = ["cleanRuns", "changedShare"];
  if (!isObject(when) || Object.keys(when).some((key) => !known.includes(key))) {
    return fail(
      `flip is "manual", or { when: { cleanRuns: 3, changedShare: 0.01 } }, not ${JSON.stringify(given)}`,
    );
  }
  const { cleanRuns = 1, changedShare = null } = when;
  if (!isNumber(cleanRuns, 1, mostRuns) || !Number.isInteger(cleanRuns))
    return fail(`cleanRuns must be a whole number from 1 to ${mostRuns}, not ${JSON.stringify(cleanRuns)}`);
  if (changedShare !== null && !isNumber(changedShare, 0, 1))
    return fail(
      `changedShare must be a share of the rows from 0 to 1, such as 0.01, not ${JSON.stringify(changedShare)}`,
    );
  if (view.version === 1)
    return fail(`version 1 follows no other: say flip: { when: … } of the version that is to take over`);
  if (view.layers !== "both")
    return fail(
      `with layers: "${view.layers}" nothing is held against what was served, so that no run is known to be without drift: flip by hand`,
    );
  return Object.freeze({ when: Object.freeze({ cleanRuns, changedShare }) });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNumber(value: unknown, from: number, to: number): value is number {
  return typeof value === "number" && value >= from && value <= to;
}
