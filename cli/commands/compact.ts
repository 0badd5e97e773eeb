import { resolve } from "node:path";
import type { Command } from "commander";
import { overRecords, readDeclarations } from "../../infra/declarations/declarations.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import type { App } from "../../views/app.ts";
import { dataFolder } from "../data-folder.ts";
import { loadApp } from "../load-app.ts";
import { formatCount } from "../quantity.ts";
import { type Terminal, writeJson } from "../terminal.ts";
import { openMaster, tidyAtRest } from "../tidy-at-rest.ts";

interface CompactOptions {
  readonly app: string;
  readonly data: string;
  readonly json?: true;
}

const examples = `
Examples:
  $ tidemark compact                                the app in ./tidemark.app.ts, the folder ./.tidemark
  $ tidemark compact --app examples/flights/app.ts --data /tmp/flights --json

Neighbouring small files of a partition become one, of a million records or 256 MB at most; no record changes. It is done by
itself while records are archived: this makes as few files as there can be, at once. Nothing may run on the folder meanwhile. Stopped at any
moment it leaves a folder that reads the same, and can be started again.

On the folder that a cluster's nodes share it may run beside them; small files are then removed by the batch process.`;

export function registerCompact(program: Command, terminal: Terminal): void {
  program
    .command("compact")
    .description("Rewrite the small files of the master dataset into few large ones.")
    .option("--app <file>", "the app's declaration", "tidemark.app.ts")
    .option("--data <folder>", "the data folder", ".tidemark")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", examples)
    .action(async (options: CompactOptions) => {
      const data = resolve(options.data);
      const app = overRecords(
        await loadApp(options.app),
        await readDeclarations(dataFolder(data).declarations),
      );
      const lifecycle = new Lifecycle();
      await compact(app, data, options, terminal, lifecycle).finally(() => lifecycle[Symbol.asyncDispose]());
    });
}

async function compact(
  app: App,
  data: string,
  options: CompactOptions,
  terminal: Terminal,
  lifecycle: Lifecycle,
): Promise<void> {
  const atRest = await openMaster(data, lifecycle);
  const { thoroughPolicy } = await import("../../infra/master/compaction-plan.ts");
  const tidying = { policy: thoroughPolicy, title: "compacting" };
  const { replaced, written, removed, waiting } = await tidyAtRest(app, atRest, tidying, terminal, lifecycle);
  if (options.json) return writeJson(terminal, { replaced, written, removed, waiting });
  const left = waiting === 0 ? "" : `; ${formatCount(waiting)} are left to the batch process to remove`;
  terminal.out.write(
    replaced === 0 && removed === 0
      ? `there is nothing to compact${left}\n`
      : `${formatCount(replaced)} files became ${formatCount(written)}, ${formatCount(removed)} were removed${left}\n`,
  );
}
