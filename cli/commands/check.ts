import { resolve } from "node:path";
import type { Command } from "commander";
import { readDeclarations } from "../../infra/declarations/declarations.ts";
import { readVersionPointer, type VersionPointer } from "../../infra/versions/version-pointer.ts";
import { TidemarkError } from "../../views/errors.ts";
import { familyOf } from "../../views/version.ts";
import { type Verdict, verdictsOf } from "../check/verdicts.ts";
import { dataFolder } from "../data-folder.ts";
import { loadApp } from "../load-app.ts";
import { renderTable } from "../table.ts";
import { paint, type Terminal, writeJson } from "../terminal.ts";

interface CheckOptions {
  readonly app: string;
  readonly data: string;
  readonly json?: true;
}

const examples = `
Examples:
  $ tidemark check                                  the app in ./tidemark.app.ts, the folder ./.tidemark
  $ tidemark check --app next/app.ts --data /srv/tidemark
  $ tidemark check --app next/app.ts --json         for scripts

Changes nothing, and may be asked while the folder is in use. Ends with 1 if "tidemark up" would refuse the app.`;

export function registerCheck(program: Command, terminal: Terminal): void {
  program
    .command("check")
    .description("Say what a change of the app means for each event type and view, before it is deployed.")
    .option("--app <file>", "the app's declaration", "tidemark.app.ts")
    .option("--data <folder>", "the folder that it is to run on", ".tidemark")
    .option("--json", "print the verdicts as JSON")
    .addHelpText("after", examples)
    .action(async (options: CheckOptions) => {
      if (!(await check(options, terminal))) process.exitCode = 1;
    });
}

/** Whether the app can run on the folder. */
async function check(options: CheckOptions, terminal: Terminal): Promise<boolean> {
  const data = resolve(options.data);
  const app = await loadApp(options.app);
  const declarations = await readDeclarations(dataFolder(data).declarations);
  if (declarations.types.size === 0) {
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `${data} holds no app to compare with: "tidemark up" has not begun on it; name a folder with --data`,
    );
  }
  const pointers = new Map<string, VersionPointer>();
  for (const name of declarations.views.keys()) {
    const pointer = await readVersionPointer(dataFolder(data).versions, familyOf(name));
    if (pointer !== undefined) pointers.set(familyOf(name), pointer);
  }
  const verdicts = verdictsOf(app, declarations, pointers);
  const refused = verdicts.filter(({ verdict }) => verdict === "refused");
  if (options.json) writeJson(terminal, { deployable: refused.length === 0, verdicts });
  else terminal.out.write(describe(terminal, verdicts, refused));
  return refused.length === 0;
}

function describe(terminal: Terminal, verdicts: readonly Verdict[], refused: readonly Verdict[]): string {
  // Why something is refused is too long for a table.
  const lines = verdicts.flatMap(({ kind, name, verdict, meaning }) => {
    const shown = kind === "event type" && verdict === "refused" ? ["see below"] : meaning;
    const [line = "", ...more] = shown;
    return [
      { kind, name, verdict, line },
      ...more.map((text) => ({ kind: "", name: "", verdict: "", line: text })),
    ];
  });
  const table = renderTable([
    { title: "what", values: lines.map(({ kind }) => kind) },
    { title: "name", values: lines.map(({ name }) => name) },
    { title: "verdict", values: lines.map(({ verdict }) => verdict) },
    { title: "what it means", values: lines.map(({ line }) => line) },
  ]);
  const reasons = refused.filter(({ kind }) => kind === "event type").flatMap(({ meaning }) => meaning);
  const end =
    refused.length === 0
      ? `${paint(terminal, "green", "deployable")}: "tidemark up" takes this app\n`
      : `${paint(terminal, "red", "refused")}: "tidemark up" does not take this app\n`;
  return `${table}\n${reasons.map((reason) => `${reason}\n\n`).join("")}${end}`;
}
