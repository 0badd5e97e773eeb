import type { AnswerValue } from "../answers.ts";
import { formatCount, formatValue } from "../figures.ts";
import { Scroller } from "../parts/scroller.tsx";

export interface SqlAnswer {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly unknown[] | Readonly<Record<string, unknown>>)[];
}

/** Beyond that a table is slower to draw than anybody reads. */
const shownRows = 1_000;

export function ResultGrid({ answer, ms }: { readonly answer: SqlAnswer; readonly ms: number }) {
  const { columns, rows } = answer;
  const isFigure = columns.map(({ type }) => /INT|DOUBLE|FLOAT|DECIMAL/i.test(type));
  return (
    <>
      <p class="soft" role="status">
        {rows.length === 1 ? "1 row" : `${formatCount(rows.length)} rows`} in {Math.round(ms)} ms
        {rows.length > shownRows && `; the first ${formatCount(shownRows)} are shown`}
      </p>
      <Scroller label="Result">
        <table>
          <thead>
            <tr>
              {columns.map(({ name, type }, i) => (
                <th key={name} class={isFigure[i] ? "figure" : ""} title={type}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, shownRows).map((row, r) => (
              <tr key={r}>
                {columns.map(({ name }, i) => (
                  <td key={name} class={isFigure[i] ? "figure" : ""}>
                    {cellText(Array.isArray(row) ? row[i] : (row as Record<string, unknown>)[name])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroller>
    </>
  );
}

function cellText(value: unknown): string {
  return typeof value === "object" && value !== null
    ? JSON.stringify(value)
    : formatValue(value as AnswerValue);
}
