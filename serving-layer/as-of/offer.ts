import { formatCut } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { isRecomputed } from "../../views/layers.ts";
import type { View } from "../../views/view.ts";
import type { Versions } from "../versions.ts";
import type { AsOf } from "./as-of.ts";

/** Where opening a past is too costly for a request, a run of these views is offered, if runs can compute all of them. */
export function offersRun(versions: Versions, views: readonly View[], asOf: AsOf) {
  return (error: unknown): never => {
    const isCostly = error instanceof TidemarkError && error.code === "TIDEMARK_ASOF_COSTLY";
    if (!isCostly || asOf.kind !== "position" || !views.every(isRecomputed)) throw error;
    const body = { asOf: formatCut(asOf.position), views: views.map((view) => versions.nameOf(view)) };
    const words = `--as-of "${body.asOf}" ${body.views.map((name) => `--view ${name}`).join(" ")}`;
    throw new TidemarkError(
      error.code,
      `${error.message}. A run computes it, after which it is answered at once: POST /v1/batch/runs with ${JSON.stringify(body)}, or tidemark batch run ${words}`,
      { cause: error, offer: { method: "POST", path: "/v1/batch/runs", body } },
    );
  };
}
