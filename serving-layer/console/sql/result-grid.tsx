import type { AnswerValue, Provenance } from "../answers.ts";
import { formatCount, formatValue } from "../figures.ts";
import { RestsOn } from "../parts/rests-on.tsx";
import { Scroller } from "../parts/scroller.tsx";

export interface SqlAnswer {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly provenance: { readonly views: Readonly<Record<string, Provenance>> };
}

/** Beyond that a table is slower to draw than anybody reads. */
const shownRows = 1_000;

export function ResultGrid({ answer, ms }: { readonly answer: SqlAnswer; readonly ms: number }) {
  const { columns, rows, provenance } = answer;
  const isFigure = columns.map(({ type }) => /INT|DOUBLE|FLOAT|DECIMAL/i.test(type));
  return (
    <>
      {Object.entries(provenance.views).map(([view, one]) => (
        <RestsOn key={view} provenance={one} of={view} />
      ))}
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
                    {cellText(row[name])}
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
