import type { ViewDescription } from "../answers.ts";
import { go, hrefOf } from "../route.ts";
import { Choices } from "./choices.tsx";
import { Filters } from "./filters.tsx";
import { granularitiesOf } from "./granularities.ts";
import { columnNames, type Layer, layers, type Question, withParameter } from "./question.ts";

const layerNames: Readonly<Record<Layer, string>> = {
  both: "merged, with the seam",
  merged: "merged",
  batch: "batch alone",
  speed: "speed alone",
};

/** What to ask: every choice is in the address at once, and is asked at once. */
export function QuestionForm({
  views,
  question,
}: {
  readonly views: readonly ViewDescription[];
  readonly question: Question;
}) {
  const { view, parameters, groupBy, measures, layer } = question;
  const { window } = view;
  const change = (changes: Parameters<typeof withParameter>[1]) => go(withParameter(question, changes));
  const text = (name: string) => ({
    value: parameters.get(name) ?? "",
    onChange: ({ currentTarget }: { currentTarget: HTMLInputElement | HTMLSelectElement }) =>
      change({ [name]: currentTarget.value.trim() || undefined }),
  });
  const names = [...columnNames(view), ...(window === null ? [] : [window.name])];
  const group = (chosen: readonly string[]) => {
    const isByTime = window !== null && chosen.includes(window.name);
    const ordered = (parameters.get("orderBy") ?? "").replace(/^-/, "");
    const isOrdered = chosen.includes(ordered) || view.measures.some(({ name }) => name === ordered);
    change({
      groupBy: chosen.join(","),
      ...(!isByTime && { granularity: undefined, tz: undefined }),
      ...(!isOrdered && { orderBy: isByTime && window !== null ? `-${window.name}` : undefined }),
    });
  };
  return (
    <form class="question" onSubmit={(event) => event.preventDefault()} aria-label="Question">
      <label class="field">
        <span>View</span>
        <select
          data-first
          value={view.name}
          onChange={({ currentTarget }) => go(hrefOf("explore", currentTarget.value))}
        >
          {views.map(({ name }) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <Choices legend="Group by" names={names} chosen={groupBy} choose={group} />
      <Choices
        legend="Measures"
        names={view.measures.map(({ name }) => name)}
        chosen={measures}
        needsOne
        choose={(chosen) => change({ measures: chosen.join(",") })}
      />
      <Filters key={view.name} question={question} change={change} />
      {window !== null && (
        <>
          <div class="pair">
            <label class="field">
              <span>From</span>
              <input placeholder="the beginning" {...text("from")} />
            </label>
            <label class="field">
              <span>To, not included</span>
              <input placeholder="now" {...text("to")} />
            </label>
          </div>
          {granularitiesOf(view).length > 0 && groupBy.includes(window.name) && (
            <div class="pair">
              <label class="field">
                <span>Granularity</span>
                <select {...text("granularity")}>
                  <option value="">{window.width}, as declared</option>
                  {granularitiesOf(view).map((name) => (
                    <option key={name}>{name}</option>
                  ))}
                </select>
              </label>
              <label class="field">
                <span>Time zone</span>
                <input placeholder="UTC" list="zones" {...text("tz")} />
                <datalist id="zones">
                  {Intl.supportedValuesOf("timeZone").map((name) => (
                    <option key={name} value={name} />
                  ))}
                </datalist>
              </label>
            </div>
          )}
        </>
      )}
      <label class="field">
        <span>Layer</span>
        <select value={layer} onChange={({ currentTarget }) => change({ layer: currentTarget.value })}>
          {layers.map((name) => (
            <option key={name} value={name}>
              {layerNames[name]}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        <span>Rows at most</span>
        <input type="number" min="1" max="5000" placeholder="1000" {...text("limit")} />
      </label>
    </form>
  );
}
