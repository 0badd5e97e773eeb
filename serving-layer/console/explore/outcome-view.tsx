import { useMemo } from "preact/hooks";
import { storedKey } from "../key.ts";
import { Copy } from "../parts/copy.tsx";
import { Empty } from "../parts/note.tsx";
import { RestsOn } from "../parts/rests-on.tsx";
import { ShareLegend } from "../parts/share-bar.tsx";
import { go } from "../route.ts";
import { Download } from "./download.tsx";
import type { Outcome } from "./outcome.ts";
import { OutcomeTable } from "./outcome-table.tsx";
import { isDrawable, rowsUrl, withParameter } from "./question.ts";
import { seriesOf } from "./series.ts";
import { SeriesChart } from "./series-chart.tsx";

/** An answer: what it rests on, drawn, in rows, and how to ask for it elsewhere. */
export function OutcomeView({ outcome }: { readonly outcome: Outcome }) {
  const { question, rows, provenance } = outcome;
  const series = useMemo(() => seriesOf(outcome), [outcome]);
  const url = location.origin + rowsUrl(question);
  const key = storedKey() === undefined ? "" : ' -H "Authorization: Bearer $TIDEMARK_API_KEY"';
  const drawable = question.view.measures.filter(
    ({ name, type }) => question.measures.includes(name) && isDrawable(type),
  );
  const zoom = (from: number, to: number) =>
    go(
      withParameter(question, {
        from: formatBoundary(from),
        ...(Number.isFinite(to) && { to: formatBoundary(to) }),
      }),
    );
  return (
    <>
      <RestsOn provenance={provenance} />
      {rows.length === 0 && <Empty>No rows. Leave out a filter, or widen the range.</Empty>}
      {rows.length > 0 && (
        <>
          <div class="chart-head">
            <label class="check">
              <span class="soft">drawn</span>
              <select
                value={question.charted.name}
                onChange={({ currentTarget }) => go(withParameter(question, { chart: currentTarget.value }))}
              >
                {drawable.map(({ name }) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </label>
            {series?.kind === "stacked" && <ShareLegend />}
            {series !== undefined && series.left > 0 && (
              <span class="soft">
                the largest {series.lines.length} groups of {series.lines.length + series.left}
              </span>
            )}
          </div>
          {series !== undefined && <SeriesChart series={series} name={question.charted.name} zoom={zoom} />}
          <OutcomeTable outcome={outcome} />
        </>
      )}
      <div class="copies">
        <Download question={question} />
        <Copy label="URL" text={url} />
        <Copy label="curl" text={`curl -s${key} '${url}'`} />
      </div>
    </>
  );
}

function formatBoundary(seconds: number): string {
  return new Date(seconds * 1_000)
    .toISOString()
    .replace(/(T00:00:00)?\.000Z$/, (_, midnight) => (midnight ? "" : "Z"));
}
