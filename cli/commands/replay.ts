import { type Command, InvalidArgumentError } from "commander";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { meantBy } from "../../infra/versions/meant-by.ts";
import { readVersionPointer } from "../../infra/versions/version-pointer.ts";
import { TidemarkError } from "../../views/errors.ts";
import { exactName, familiesOf, namesOf } from "../../views/version.ts";
import type { View } from "../../views/view.ts";
import { untilInterrupted, wholeNumber } from "../command.ts";
import { type FolderAtRest, openAtRest } from "../folder-at-rest.ts";
import { openFolderLog } from "../folder-log.ts";
import { ReplayProgress } from "../replay/progress.ts";
import { describeOutcome, isEqual, shownOutcome } from "../replay/report.ts";
import { type Terminal, writeJson } from "../terminal.ts";

interface ReplayOptions {
  readonly app: string;
  readonly data: string;
  readonly archived?: true;
  readonly entries?: string;
  readonly as?: string;
  readonly json?: true;
}

const examples = `
Examples:
  $ tidemark replay airport-hours                   the app in ./tidemark.app.ts, the folder ./.tidemark
  $ tidemark replay airport-hours --archived        records from the master dataset's files, not from the log
  $ tidemark replay airport-hours --as kappa        afterwards: tidemark query airport-hours --as-of g-kappa
  $ tidemark replay airport-hours --app examples/flights/app.ts --data /tmp/flights --json

The fold of the speed layer alone computes the view of every record before the cut of the generation that serves, as a Kappa
architecture would. Records come from the log, and from the master dataset where the log has let go of them. DuckDB then
computes the same of the same records, as a batch run would; the fold is held against both, state by state, and what each
has cost stands side by side. Nothing is written to the data folder, unless --as says to keep the outcome of the fold there: rows,
comparisons and SQL can then be asked for as of it, while it is one of the last eight of its view that are kept, for a week.

Of a cluster, with the folder that its nodes share:
  $ KAFKA_BROKERS=127.0.0.1:9092 tidemark replay places --app app.ts --data /shared

Nothing may run on the folder meanwhile. Ends with 1 if the fold and the batch layer differ.`;

export function registerReplay(program: Command, terminal: Terminal): void {
  program
    .command("replay")
    .description(
      "Compute a view by the speed layer alone, and hold it against the batch layer's: answers, costs.",
    )
    .argument("<view>", "the view's name")
    .option("--app <file>", "the app's declaration", "tidemark.app.ts")
    .option("--data <folder>", "the data folder, at rest", ".tidemark")
    .option("--archived", "take all records from the master dataset, those too that the log still holds")
    .option(
      "--entries <number>",
      "how many (a group in a pane of a partition) the fold may hold; default: as many as the tail of a speed layer",
      wholeNumber,
    )
    .option("--as <name>", "keep what was folded, to be asked for with --as-of g-NAME", nameToKeep)
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", examples)
    .action((view: string, options: ReplayOptions) =>
      untilInterrupted(async (signal) => {
        const lifecycle = new Lifecycle();
        const areEqual = await openAtRest(options, terminal, lifecycle)
          .then((atRest) => replayAtRest(atRest, view, options, terminal, lifecycle, signal))
          .finally(() => lifecycle[Symbol.asyncDispose]());
        if (!areEqual) process.exitCode = 1;
      }),
    );
}

/** Whether the two are equal. */
async function replayAtRest(
  atRest: FolderAtRest,
  name: string,
  options: ReplayOptions,
  terminal: Terminal,
  lifecycle: Lifecycle,
  signal: AbortSignal,
): Promise<boolean> {
  const view = await viewNamed(atRest, name);
  // Loaded here, so that the other commands start without the stores.
  const { replay } = await import("../replay/replay.ts");
  const { defaultEntries } = await import("../../speed-layer/main.ts");
  const progress = new ReplayProgress(terminal);
  const parts = {
    ...{ view, folder: atRest.folder, signal, now: terminal.now, progress },
    log: await openFolderLog(atRest, terminal, lifecycle),
    keepAs: options.as,
    archived: options.archived ? ("all" as const) : ("let-go" as const),
    maxEntries: options.entries === undefined ? defaultEntries : Number(options.entries),
  };
  const outcome = await replay(parts, lifecycle).finally(() => progress[Symbol.dispose]());
  if (options.json) writeJson(terminal, shownOutcome(view, outcome));
  else terminal.out.write(describeOutcome(terminal, view, outcome));
  return isEqual(outcome);
}

/** Ids of all that answers can be as of begin with "g-". */
function nameToKeep(name: string): string {
  if (!/^[A-Za-z0-9._-]{1,100}$/.test(name)) {
    throw new InvalidArgumentError('Give up to 100 letters, digits, ".", "_" and "-".');
  }
  return name.startsWith("g-") ? name : `g-${name}`;
}

/** By the name of a family, the version that is active. */
async function viewNamed({ app, folder }: FolderAtRest, name: string): Promise<View> {
  const versions = familiesOf(app.views).get(name) ?? [];
  const view =
    app.views.find((candidate) => exactName(candidate) === name) ??
    (versions.length === 0 ? undefined : meantBy(versions, await readVersionPointer(folder.versions, name)));
  if (view !== undefined) return view;
  const names = namesOf(app.views).join(", ");
  throw new TidemarkError("TIDEMARK_QUERY_VIEW_UNKNOWN", `there is no view "${name}"; there are ${names}`);
}
