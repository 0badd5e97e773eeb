import { formatCount, formatShort, formatTimes, formatValue } from "../figures.ts";
import { Scroller } from "../parts/scroller.tsx";
import { ShareBar, ShareLegend } from "../parts/share-bar.tsx";
import { go } from "../route.ts";
import { type Outcome, sharesOf } from "./outcome.ts";
import { isAdditive, type Question, withParameter } from "./question.ts";

/** Beyond that a table is slower to draw than anybody reads. */
const shownRows = 500;

/** The rows, and of the measure that is drawn how much of each the layers have. */
export function OutcomeTable({ outcome }: { readonly outcome: Outcome }) {
  const { question, rows } = outcome;
  const { groupBy, charted, layer } = question;
  const shares = rows.map((row) => sharesOf(question, row));
  const most = Math.max(0, ...shares.map((each) => (each === undefined ? 0 : each.batch + each.speed)));
  const time = question.view.window?.name ?? "";
  const times = formatTimes(rows.map(({ key }) => String(key[time])));
  const withShares = layer === "both" && isAdditive(charted);
  const withBatch = layer === "both" && !isAdditive(charted);
  const others = question.view.measures.filter(
    ({ name }) => question.measures.includes(name) && name !== charted.name,
  );
  return (
    <>
      <Scroller label="Rows">
        <table>
          <thead>
            <tr>
              {groupBy.map((name) => (
                <Heading key={name} question={question} name={name} />
              ))}
              <Heading question={question} name={charted.name} isFigure />
              {withBatch && <th class="figure">{charted.name}, batch alone</th>}
              {withShares && (
                <>
                  <th>
                    <ShareLegend />
                  </th>
                  <th class="figure">of it speed</th>
                </>
              )}
              {others.map(({ name }) => (
                <Heading key={name} question={question} name={name} isFigure />
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, shownRows).map((row, i) => (
              <tr key={JSON.stringify(row.key)}>
                {groupBy.map((name) => (
                  <td key={name} class={name === time ? "time" : ""}>
                    {name === time ? times[i] : formatValue(row.key[name])}
                  </td>
                ))}
                <td class="figure">{formatValue(row.values[charted.name])}</td>
                {withBatch && <td class="figure soft">{formatValue(row.batch?.[charted.name])}</td>}
                {withShares && <Shares shares={shares[i]} most={most} />}
                {others.map(({ name }) => (
                  <td key={name} class="figure">
                    {formatValue(row.values[name])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroller>
      <p class="soft">
        {rows.length === 1 ? "1 row" : `${formatCount(rows.length)} rows`} in {Math.round(outcome.ms)} ms
        {rows.length > shownRows && `; the first ${formatShort(shownRows)} are shown`}
        {rows.length === Number(question.parameters.get("limit") ?? 1_000) &&
          "; there may be more: raise “Rows at most”"}
      </p>
    </>
  );
}

function Shares(props: { readonly shares: ReturnType<typeof sharesOf>; readonly most: number }) {
  const { shares, most } = props;
  if (shares === undefined) {
    return (
      <>
        <td class="soft">the parts don't add up to the whole</td>
        <td class="figure soft">–</td>
      </>
    );
  }
  return (
    <>
      <td class="share-cell">
        <ShareBar {...shares} of={most} />
      </td>
      <td class={`figure ${shares.speed > 0 ? "speed-word" : "soft"}`}>{formatValue(shares.speed)}</td>
    </>
  );
}

/** Orders by its column: the largest first, then the other way round. */
function Heading(props: { readonly question: Question; readonly name: string; readonly isFigure?: boolean }) {
  const { question, name, isFigure = false } = props;
  const order = question.parameters.get("orderBy");
  const direction = order === `-${name}` ? "descending" : order === name ? "ascending" : "none";
  const next = direction === "descending" ? name : `-${name}`;
  return (
    <th class={isFigure ? "figure" : ""} aria-sort={direction}>
      <button type="button" onClick={() => go(withParameter(question, { orderBy: next }))}>
        {name} {{ descending: "↓", ascending: "↑", none: "" }[direction]}
      </button>
    </th>
  );
}
