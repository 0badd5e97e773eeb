import { formatCount } from "../figures.ts";

/** "Not compared" is not "no drift", and does not look like it. */
export function ReconciliationChip(props: {
  readonly reconciliation:
    | { readonly kind: "compared"; readonly keys: number; readonly differing: number }
    | { readonly kind: "not-compared"; readonly reason: string };
}) {
  const { reconciliation } = props;
  if (reconciliation.kind === "not-compared") {
    return (
      <span class="chip" title={reconciliation.reason}>
        not compared
      </span>
    );
  }
  const { keys, differing } = reconciliation;
  return differing === 0 ? (
    <span class="chip good" title={`${formatCount(keys)} keys are the same`}>
      no drift
    </span>
  ) : (
    <span class="chip bad">{formatCount(differing)} differ</span>
  );
}
