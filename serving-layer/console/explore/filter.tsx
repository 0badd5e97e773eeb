import { useState } from "preact/hooks";
import type { RowsAnswer, ViewDescription } from "../answers.ts";
import { rowsPath } from "../api.ts";
import { useAsked } from "../asked.ts";
import { type Condition, conditions, type FilterOf } from "./question.ts";

export type FilterChange = Readonly<Record<string, readonly string[] | undefined>>;

const words: Readonly<Record<Condition | "is", string>> = {
  is: "is",
  not: "is not",
  prefix: "begins with",
  from: "is from",
  to: "is below",
};

const known = 500;

/** One column's condition, and the values that it is given. */
export function Filter(props: {
  readonly view: ViewDescription;
  readonly filter: FilterOf;
  readonly change: (changes: FilterChange) => void;
}) {
  const { view, filter, change } = props;
  const { column, values } = filter;
  const [condition, setCondition] = useState(filter.condition);
  const parameter = parameterOf(column, condition);
  const set = (next: readonly string[]) =>
    change({
      [parameterOf(column, filter.condition)]: undefined,
      [parameter]: next.length === 0 ? undefined : next,
    });
  const { answer } = useAsked<RowsAnswer>(
    rowsPath(view, new URLSearchParams({ groupBy: withWindow(view, column), limit: String(known) })),
  );
  const id = `values-${parameter}`;
  const add = (input: HTMLInputElement) => {
    const { value } = input;
    input.value = "";
    if (value === "" || values.includes(value)) return;
    set(condition === "from" || condition === "to" ? [value] : [...values, value]);
  };
  return (
    <div class="filter">
      <div class="filter-line">
        <span class="filter-name">{column}</span>
        <select
          aria-label={`Condition of ${column}`}
          value={condition ?? "is"}
          onChange={({ currentTarget }) => {
            const chosen = conditions.find((name) => name === currentTarget.value);
            setCondition(chosen);
            if (values.length > 0) {
              const [first = ""] = values;
              const kept = chosen === "from" || chosen === "to" ? [first] : values;
              change({ [parameter]: undefined, [parameterOf(column, chosen)]: kept });
            }
          }}
        >
          {(["is", ...conditions] as const).map((name) => (
            <option key={name} value={name}>
              {words[name]}
            </option>
          ))}
        </select>
        <input
          aria-label={`${column} ${words[condition ?? "is"]}`}
          list={id}
          placeholder="a value"
          onChange={({ currentTarget }) => add(currentTarget)}
          onKeyDown={(event) => event.key === "Enter" && add(event.currentTarget)}
        />
      </div>
      <datalist id={id}>
        {[...new Set(answer?.rows.map((row) => String(row[column])))].map((value) => (
          <option key={value} value={value} />
        ))}
      </datalist>
      {values.length > 0 && (
        <div class="tokens">
          {values.map((value) => (
            <button
              key={value}
              type="button"
              aria-label={`Take out ${column} ${words[condition ?? "is"]} ${value}`}
              onClick={() => set(values.filter((each) => each !== value))}
            >
              {value} ×
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

function parameterOf(column: string, condition: Condition | undefined): string {
  return condition === undefined ? column : `${column}:${condition}`;
}

/** Windows that overlap can't be rolled up. */
function withWindow({ window }: ViewDescription, column: string): string {
  return window?.kind === "sliding" ? `${column},${window.name}` : column;
}
