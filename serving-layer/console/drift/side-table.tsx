import type { AnswerRow } from "../answers.ts";
import { formatValue, numberOf } from "../figures.ts";
import { Scroller } from "../parts/scroller.tsx";

export interface SideRow {
  readonly key: readonly string[];
  /** Two to be held against each other, and perhaps more to be shown. Null: no such row on that side. */
  readonly sides: readonly (AnswerRow | null)[];
}

/** Values of the same keys side by side; where the first two differ, by how much. */
export function SideTable(props: {
  readonly label: string;
  readonly keys: readonly string[];
  readonly measures: readonly string[];
  readonly sides: readonly string[];
  readonly rows: readonly SideRow[];
}) {
  const { label, keys, measures, sides, rows } = props;
  return (
    <Scroller label={label}>
      <table>
        <thead>
          <tr>
            {keys.map((key) => (
              <th key={key}>{key}</th>
            ))}
            <th>measure</th>
            {sides.map((side) => (
              <th key={side} class="figure">
                {side}
              </th>
            ))}
            <th class="figure">difference</th>
          </tr>
        </thead>
        <tbody>
          {rows.flatMap(({ key, sides: values }) =>
            differing(measures, values).map((measure, i) => (
              <tr key={`${key.join("\n")}\n${measure}`}>
                {key.map((value, k) => (
                  <td key={k} class={i > 0 ? "soft" : ""}>
                    {value}
                  </td>
                ))}
                <td>{measure}</td>
                {values.map((side, s) => (
                  <td key={s} class="figure">
                    {side === null ? "no row" : formatValue(side[measure])}
                  </td>
                ))}
                <td class="figure bad">{difference(values[0]?.[measure], values[1]?.[measure])}</td>
              </tr>
            )),
          )}
        </tbody>
      </table>
    </Scroller>
  );
}

function differing(measures: readonly string[], [a, b]: SideRow["sides"]): readonly string[] {
  return measures.filter(
    (name) => a === null || b === null || JSON.stringify(a?.[name]) !== JSON.stringify(b?.[name]),
  );
}

function difference(a: AnswerRow[string] | undefined, b: AnswerRow[string] | undefined): string {
  const [left, right] = [numberOf(a) ?? 0, numberOf(b) ?? 0];
  return left === right ? "" : `${left > right ? "+" : "−"}${formatValue(Math.abs(left - right))}`;
}
