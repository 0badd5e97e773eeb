import type { ReconciledGeneration } from "../answers.ts";
import { formatCount, formatTime } from "../figures.ts";
import { hrefOf } from "../route.ts";

/** A view's reconciliations, oldest first, a mark each: the same, different, or not compared. */
export function Marks(props: {
  readonly reconciled: readonly ReconciledGeneration[];
  readonly chosen: string | undefined;
}) {
  const { reconciled, chosen } = props;
  return (
    <span class="marks">
      {[...reconciled].reverse().map(({ view, run, kind, createdAt, reconciliation }) => {
        const verdict =
          reconciliation.kind === "not-compared"
            ? "not compared"
            : reconciliation.differing === 0
              ? "no drift"
              : `${formatCount(reconciliation.differing)} keys differ`;
        const label = `${view}, ${formatTime(createdAt)}${kind === "check" ? ", a check" : ""}: ${verdict}`;
        return (
          <a
            key={run}
            class={
              reconciliation.kind === "not-compared" ? "none" : reconciliation.differing > 0 ? "bad" : ""
            }
            href={hrefOf("drift", view, new URLSearchParams({ run }))}
            title={label}
            aria-current={run === chosen ? "true" : undefined}
          >
            <span class="unseen">{label}</span>
          </a>
        );
      })}
    </span>
  );
}
