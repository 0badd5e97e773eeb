import type { Scalar } from "../views/expression.ts";
import type { StateRow } from "../views/state.ts";
import type { View } from "../views/view.ts";
import { timeTexts } from "./present.ts";

/** What tells a row apart, by name: its dimensions' values, and the first instant of its pane. */
export type RowKey = Readonly<Record<string, Scalar>>;

/** Names the keys of the view's rows, as answers do. */
export function compileRowKey({
  dimensions,
  window,
}: View): (row: Pick<StateRow, "dimensions" | "pane">) => RowKey {
  const timeOf = timeTexts(window?.window);
  return (row) => ({
    ...Object.fromEntries(dimensions.map(({ name }, i) => [name, row.dimensions[i] ?? null])),
    ...(window && { [window.name]: timeOf(row.pane) }),
  });
}
