/** What an event's data or a row is on the page. */
type Columns = Readonly<Record<string, unknown>>;

/** The fenced blocks of a page that tests run: ` ```ts `, ` ```json events `, ` ```json rows ` and ` ```ts values `. */
export interface Examples {
  /** By the name that stands in a block's first line, `// order.ts`. */
  readonly sources: ReadonlyMap<string, string>;
  readonly events: readonly Columns[];
  /** What the view of a source must answer: the rows that follow it on the page. */
  readonly rows: ReadonlyMap<string, readonly Columns[]>;
  /** Lines such as `f.whole.plus(1) // { "whole": 1 } → 2`: an expression, the data of an event, its value. */
  readonly values: readonly { readonly code: string; readonly data: Columns; readonly value: unknown }[];
}

/** Throws for a block or a line that is of no kind it knows, so that none is passed over. */
export function examplesOf(markdown: string): Examples {
  const sources = new Map<string, string>();
  const rows = new Map<string, readonly Columns[]>();
  const events: Columns[] = [];
  const values: Examples["values"][number][] = [];
  let source = "";
  for (const [, info = "", body = ""] of markdown.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)) {
    switch (info) {
      case "ts":
        source = /^\/\/ ([a-z-]+\.ts)\n/.exec(body)?.[1] ?? "";
        if (source === "" || sources.has(source)) {
          throw new Error(`a block must begin with a file name of its own, such as "// order.ts": ${body}`);
        }
        sources.set(source, body);
        break;
      case "json events":
        events.push(...JSON.parse(body));
        break;
      case "json rows":
        if (rows.has(source)) throw new Error(`there are rows twice for ${source}`);
        rows.set(source, JSON.parse(body));
        break;
      case "ts values":
        values.push(...body.trimEnd().split("\n").map(exampleOf));
        break;
      default:
        throw new Error(`a block of "${info}" is of no kind that is run`);
    }
  }
  return { sources, events, rows, values };
}

function exampleOf(line: string): Examples["values"][number] {
  const [, code, data, value] = /^(\S.*?) +\/\/ (\{.*\}) → (.*)$/.exec(line) ?? [];
  if (code === undefined || data === undefined || value === undefined) {
    throw new Error(`an example of a value is \`expression // data → value\`, not ${line}`);
  }
  return { code, data: JSON.parse(data), value: JSON.parse(value) };
}
