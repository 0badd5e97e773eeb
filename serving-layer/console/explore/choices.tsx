/** Some of several, each on or off. */
export function Choices(props: {
  readonly legend: string;
  readonly names: readonly string[];
  readonly chosen: readonly string[];
  /** At least one stays chosen. */
  readonly needsOne?: boolean;
  readonly choose: (names: readonly string[]) => void;
}) {
  const { legend, names, chosen, needsOne = false, choose } = props;
  const toggle = (name: string) => {
    const next = names.filter((each) => (each === name) !== chosen.includes(each));
    if (next.length > 0 || !needsOne) choose(next);
  };
  return (
    <fieldset class="field">
      <legend>{legend}</legend>
      <div class="chips">
        {names.map((name) => (
          <button key={name} type="button" aria-pressed={chosen.includes(name)} onClick={() => toggle(name)}>
            {name}
          </button>
        ))}
      </div>
    </fieldset>
  );
}
