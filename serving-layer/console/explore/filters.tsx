import { useState } from "preact/hooks";
import type { RowsAnswer } from "../answers.ts";
import { rowsPath } from "../api.ts";
import { useAsked } from "../asked.ts";
import { columnNames, filtersOf, type Question } from "./question.ts";

/** Which values of which dimensions are let through. */
export function Filters(props: {
  readonly question: Question;
  readonly change: (changes: Readonly<Record<string, readonly string[] | undefined>>) => void;
}) {
  const { question, change } = props;
  const filters = filtersOf(question);
  const [opened, open] = useState<string | undefined>(undefined);
  const others = columnNames(question.view).filter(
    (name) => !filters.some(([filtered]) => filtered === name),
  );
  const shown =
    opened === undefined || filters.some(([name]) => name === opened)
      ? filters
      : [...filters, [opened, []] as const];
  return (
    <fieldset class="field">
      <legend>Filters</legend>
      {shown.map(([name, values]) => (
        <Filter
          key={name}
          view={question.view.name}
          name={name}
          values={values}
          change={(next) => change({ [name]: next.length === 0 ? undefined : next })}
        />
      ))}
      {others.length > 0 && (
        <select
          aria-label="Add a filter"
          value=""
          onChange={({ currentTarget }) => {
            open(currentTarget.value);
            currentTarget.value = "";
          }}
        >
          <option value="">{filters.length === 0 ? "All rows; filter by…" : "And by…"}</option>
          {others.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      )}
    </fieldset>
  );
}

function Filter(props: {
  readonly view: string;
  readonly name: string;
  readonly values: readonly string[];
  readonly change: (values: readonly string[]) => void;
}) {
  const { view, name, values, change } = props;
  const { answer } = useAsked<RowsAnswer>(
    rowsPath(view, new URLSearchParams({ groupBy: name, limit: "500" })),
  );
  const id = `values-${name}`;
  const add = (input: HTMLInputElement) => {
    const { value } = input;
    input.value = "";
    if (value !== "" && !values.includes(value)) change([...values, value]);
  };
  return (
    <div class="filter">
      <label class="field">
        <span>{name} is</span>
        <input
          list={id}
          placeholder="a value, then Enter"
          onChange={({ currentTarget }) => add(currentTarget)}
          onKeyDown={(event) => event.key === "Enter" && add(event.currentTarget)}
        />
      </label>
      <datalist id={id}>
        {answer?.rows.map((row) => (
          <option key={String(row[name])} value={String(row[name])} />
        ))}
      </datalist>
      {values.length > 0 && (
        <div class="tokens">
          {values.map((value) => (
            <button
              key={value}
              type="button"
              aria-label={`Leave out ${name} = ${value}`}
              onClick={() => change(values.filter((each) => each !== value))}
            >
              {value} ×
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
