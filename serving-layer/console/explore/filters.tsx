import { useState } from "preact/hooks";
import { Filter, type FilterChange } from "./filter.tsx";
import { columnNames, filtersOf, type Question } from "./question.ts";

/** Which values of which dimensions are let through. */
export function Filters(props: {
  readonly question: Question;
  readonly change: (changes: FilterChange) => void;
}) {
  const { question, change } = props;
  const filters = filtersOf(question);
  // A filter is in the address once it has a value.
  const [opened, open] = useState<string | undefined>(undefined);
  const isNew = opened !== undefined && !filters.some(({ column }) => column === opened);
  const shown = isNew ? [...filters, { column: opened, condition: undefined, values: [] }] : filters;
  return (
    <fieldset class="field">
      <legend>Filters</legend>
      {shown.map((filter) => (
        <Filter
          key={`${filter.column}:${filter.condition}`}
          view={question.view}
          filter={filter}
          change={change}
        />
      ))}
      <select
        aria-label="Add a filter"
        value=""
        onChange={({ currentTarget }) => {
          open(currentTarget.value);
          currentTarget.value = "";
        }}
      >
        <option value="">{filters.length === 0 ? "All rows; filter by…" : "And by…"}</option>
        {columnNames(question.view).map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </fieldset>
  );
}
