import type { AnswerValue, DriftExample, ViewDescription } from "../answers.ts";
import { formatTime, formatValue } from "../figures.ts";
import { SideTable } from "./side-table.tsx";

/** The first keys at which the generation differed from what was being served. */
export function Examples(props: {
  readonly view: ViewDescription;
  readonly examples: readonly DriftExample[];
}) {
  const { view, examples } = props;
  const keyOf = ({ dimensions, pane }: DriftExample): readonly string[] => [
    ...dimensions.map((value) => formatValue(value as AnswerValue)),
    ...(view.window === null ? [] : [formatTime(new Date(pane).toISOString())]),
  ];
  return (
    <SideTable
      label="Examples"
      keys={[...view.dimensions.map(({ name }) => name), ...(view.window === null ? [] : [view.window.name])]}
      measures={view.measures.map(({ name }) => name)}
      sides={["batch", "served"]}
      rows={examples.map((example) => ({
        key: keyOf(example),
        sides: [example.batch, example.served] as never,
      }))}
    />
  );
}
