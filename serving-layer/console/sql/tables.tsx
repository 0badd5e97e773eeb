import type { ViewDescription } from "../answers.ts";

/** What there is to select from; a name that is pressed is written into the statement. */
export function Tables(props: {
  readonly views: readonly ViewDescription[];
  readonly insert: (text: string) => void;
}) {
  const { views, insert } = props;
  const events = [...new Set(views.flatMap((view) => view.events))];
  return (
    <aside class="tables" aria-label="Tables">
      {views.map(({ name, dimensions, window, measures }, i) => (
        <details key={name} open={i === 0}>
          <summary>{name}</summary>
          <div class="chips">
            {[
              `"${name}"`,
              ...[...dimensions, ...(window === null ? [] : [window]), ...measures].map((column) =>
                quoted(column.name),
              ),
            ].map((text) => (
              <button key={text} type="button" onClick={() => insert(text)}>
                {text}
              </button>
            ))}
          </div>
        </details>
      ))}
      {events.length > 0 && (
        <details>
          <summary>events</summary>
          <div class="chips">
            {events.map((name) => (
              <button key={name} type="button" onClick={() => insert(`"${name}"`)}>
                "{name}"
              </button>
            ))}
          </div>
        </details>
      )}
    </aside>
  );
}

/** Names that SQL reads as they stand need no quotes. */
function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
