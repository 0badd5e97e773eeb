import type { Command } from "commander";
import type { AnswerValue, DiffAnswer, DifferingAnswer, LargestAnswer } from "../answers.ts";
import { type ClientOptions, clientCommand, wholeNumber, withClient } from "../command.ts";
import { countRecords } from "../provenance.ts";
import { formatCount, plural } from "../quantity.ts";
import { renderTable } from "../table.ts";
import { paint, type Terminal, writeJson } from "../terminal.ts";

interface DiffOptions extends ClientOptions {
  readonly from?: string;
  readonly to?: string;
  readonly limit?: string;
}

export function registerDiff(program: Command, terminal: Terminal): void {
  program.addCommand(
    clientCommand(terminal, "diff", [
      "diff delays                       # from the version that answers now to the newest",
      "diff delays --from 1 --to 2 --limit 50",
      "diff delays --json",
    ])
      .description("Say in which rows, and by how much, two versions of a view differ at the same cut")
      .argument("<view>", "name of the view")
      .option("--from <version>", "the version to begin with; default: the active one", wholeNumber)
      .option("--to <version>", "the version to hold against it; default: the newest", wholeNumber)
      .option("--limit <rows>", "show at most so many of the rows that differ", wholeNumber, "20")
      .action((view: string, { from, to, limit, ...options }: DiffOptions) =>
        withClient(options.url, async (client) => {
          const answer = await client.diff(view, { from, to, limit });
          if (options.json) writeJson(terminal, answer);
          else terminal.out.write(renderDiff(terminal, answer));
        }),
      ),
  );
}

function renderDiff(terminal: Terminal, answer: DiffAnswer): string {
  const { rows, measures, differing } = answer;
  const parts = [
    `${headline(answer)}\n`,
    renderTable([
      { title: "rows", values: ["equal", "changed", "added", "gone"] },
      { title: "", values: [rows.equal, rows.changed, rows.added, rows.gone] },
    ]),
  ];
  if (measures.length > 0) {
    const largest = (of: (measure: (typeof measures)[number]) => LargestAnswer | null) => measures.map(of);
    parts.push(
      renderTable([
        { title: "measure", values: measures.map(({ name }) => name) },
        { title: "differs in", values: measures.map(({ differing: count }) => count) },
        {
          title: "at most by",
          values: largest((measure) => measure.largest).map((found) => found?.difference ?? null),
          exact: true,
        },
        { title: "there", values: largest((measure) => measure.largest).map(keyText) },
        {
          title: "in parts at most by",
          values: largest((measure) => measure.largestRelative).map(percent),
          align: "right",
        },
        { title: "there", values: largest((measure) => measure.largestRelative).map(keyText) },
      ]),
    );
  }
  const alone = aloneText(answer);
  if (alone !== "") parts.push(`${alone}\n`);
  if (differing.length > 0) parts.push(renderDiffering(answer));
  if (answer.held !== null) parts.push(`not flipped to by policy: ${answer.held}\n`);
  const hidden = rows.changed + rows.added + rows.gone - differing.length;
  if (hidden > 0)
    parts.push(`${paint(terminal, "dim", `${plural(hidden, "row")} more differ: --limit shows more`)}\n`);
  return parts.join("\n");
}

function headline({ view, from, to, cut }: DiffAnswer): string {
  return `${view}: version ${from.version} (${from.generation}) and version ${to.version} (${to.generation}), both of ${formatCount(countRecords(cut))} records`;
}

/** Names on one line each; nothing where both have the same measures. */
function aloneText({ from, to, onlyFrom, onlyTo }: DiffAnswer): string {
  const line = (version: number, names: readonly string[]) =>
    names.length === 0 ? [] : [`version ${version} alone has ${names.join(", ")}`];
  return [...line(from.version, onlyFrom), ...line(to.version, onlyTo)].join("\n");
}

/** A line for each measure of each row; the key stands on the first. */
function renderDiffering({ differing, from, to }: DiffAnswer): string {
  const lines = differing.flatMap((row) =>
    shownMeasures(row).map((measure, i) => ({ row, measure, isFirst: i === 0 })),
  );
  const side = (
    title: string,
    of: (row: DifferingAnswer) => Readonly<Record<string, AnswerValue>> | null,
  ) => ({
    title,
    values: lines.map(({ row, measure }) => of(row)?.[measure] ?? null),
    align: "right" as const,
    exact: true as const,
  });
  return renderTable([
    { title: "row", values: lines.map(({ row, isFirst }) => (isFirst ? row.kind : undefined)) },
    ...Object.keys(differing[0]?.key ?? {}).map((title) => ({
      title,
      values: lines.map(({ row, isFirst }) => (isFirst ? row.key[title] : undefined)),
    })),
    { title: "measure", values: lines.map(({ measure }) => measure) },
    side(`version ${from.version}`, (row) => row.from),
    side(`version ${to.version}`, (row) => row.to),
  ]);
}

/** Of a row that both have only what differs, of measures that both have. */
function shownMeasures({ from, to }: DifferingAnswer): readonly string[] {
  const names = Object.keys(from ?? to ?? {});
  if (from === null || to === null) return names;
  return names.filter(
    (name) => Object.hasOwn(to, name) && JSON.stringify(from[name]) !== JSON.stringify(to[name]),
  );
}

function keyText(found: LargestAnswer | null): string {
  return found === null
    ? ""
    : Object.values(found.key)
        .map((value) => String(value ?? "–"))
        .join(" ");
}

function percent(found: LargestAnswer | null): string | null {
  if (found === null) return null;
  const share = found.difference * 100;
  return `${share > 0 ? "+" : ""}${share.toLocaleString("en-US", { maximumSignificantDigits: 3 })} %`;
}
