import { resolve } from "node:path";
import type { Command } from "commander";
import { overRecords, readDeclarations } from "../../infra/declarations/declarations.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import type { FileSizes } from "../../infra/master/file-sizes.ts";
import type { App } from "../../views/app.ts";
import { TidemarkError } from "../../views/errors.ts";
import { type ColdFlags, coldAfterMs, coldHelp } from "../cold-options.ts";
import { dataFolder } from "../data-folder.ts";
import { loadApp } from "../load-app.ts";
import { formatBytes, formatCount, plural } from "../quantity.ts";
import { type Terminal, writeJson } from "../terminal.ts";
import { type MasterAtRest, openMaster, tidyAtRest } from "../tidy-at-rest.ts";

interface TierOptions extends ColdFlags {
  readonly app: string;
  readonly data: string;
  readonly back?: true;
  readonly json?: true;
}

const examples = `
Examples:
  $ tidemark tier --cold /mnt/slow/shop                   the app in ./tidemark.app.ts, the folder ./.tidemark; older than 90 days
  $ tidemark tier --cold-after 30d                        to the same folder as before
  $ tidemark tier --cold /mnt/other/shop                  also where the cold folder was moved to, or copied together with the data folder
  $ tidemark tier --back                                  all files come back, and the cold folder is let go of

Files of the master dataset whose newest event is older go to the cold folder, whole; every process on the data folder finds them there, and no
answer changes. \`tidemark up --cold\` does so by itself. Nothing may run on the data folder meanwhile. Stopped at any moment it leaves a
folder that reads the same, and can be started again. Small files are not made into large ones any more there: tidemark compact does so before.

On the folder that a cluster's nodes share it may run beside them; files are then removed by the batch process from where they were.`;

export function registerTier(program: Command, terminal: Terminal): void {
  program
    .command("tier")
    .description("Move old files of the master dataset to another disk, or back.")
    .option("--cold <folder>", coldHelp.cold)
    .option("--cold-after <age>", coldHelp.coldAfter)
    .option("--back", "move all files back from the cold folder")
    .option("--app <file>", "the app's declaration", "tidemark.app.ts")
    .option("--data <folder>", "the data folder", ".tidemark")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", examples)
    .action(async (options: TierOptions) => {
      const data = resolve(options.data);
      const app = overRecords(
        await loadApp(options.app),
        await readDeclarations(dataFolder(data).declarations),
      );
      const lifecycle = new Lifecycle();
      await tier(app, data, options, terminal, lifecycle).finally(() => lifecycle[Symbol.asyncDispose]());
    });
}

async function tier(
  app: App,
  data: string,
  options: TierOptions,
  terminal: Terminal,
  lifecycle: Lifecycle,
): Promise<void> {
  const afterMs = coldAfterMs(options.coldAfter);
  const atRest = await openMaster(data, lifecycle);
  await direct(atRest, options);
  // Loaded here, so that the other commands start without the stores.
  const { unlinkColdFolder } = await import("../../infra/master/cold-folder.ts");
  const { noCompaction } = await import("../../infra/master/compaction-plan.ts");
  const { PlaceSizes, sumOfSizes } = await import("../../infra/master/file-sizes.ts");
  const { coldFiles, hotOlderThan } = await import("../compaction.ts");
  const tidying = {
    ...{ policy: noCompaction, title: options.back ? "moving back" : "moving" },
    toMove: options.back ? coldFiles : hotOlderThan(afterMs),
  };
  const { master, ...outcome } = await tidyAtRest(app, atRest, tidying, terminal, lifecycle);
  const { moved, movedBytes, removed, waiting } = outcome;
  const sizes = new PlaceSizes(master);
  const places = sumOfSizes(await Promise.all(app.events.map(({ name }) => sizes.of(name))));
  const isLetGo = options.back === true && (await unlinkColdFolder(atRest.folder.master));
  if (options.json) return writeJson(terminal, { moved, movedBytes, removed, waiting, ...places });
  const shown = ({ files, bytes }: FileSizes) => `${plural(files, "file")}, ${formatBytes(bytes)}`;
  const left = waiting === 0 ? "" : `; ${formatCount(waiting)} are left to the batch process to remove`;
  const letGo = isLetGo
    ? "; the cold folder is let go of"
    : options.back
      ? "; once nothing is left there, tidemark tier --back lets go of the cold folder"
      : "";
  const to = options.back ? "back" : "to the cold folder";
  terminal.out.write(
    `${moved === 0 ? "nothing is to be moved" : `${plural(moved, "file")}, ${formatBytes(movedBytes)}, went ${to}`}${left}${letGo}\n` +
      `hot: ${shown(places.hot)}; cold: ${shown(places.cold)}\n`,
  );
}

/** Says where files are to go. TIDEMARK_CONFIG where nobody ever did. */
async function direct({ folder }: MasterAtRest, { cold, back }: TierOptions): Promise<void> {
  const { coldFolderOf, linkColdFolder, turnBack } = await import("../../infra/master/cold-folder.ts");
  const to = cold === undefined ? (await coldFolderOf(folder.master))?.folder : resolve(cold);
  if (to === undefined) {
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      back
        ? `${folder.root} has no cold folder: all its files are there already`
        : `${folder.root} has no cold folder yet: name one with --cold`,
    );
  }
  if (cold !== undefined || !back) await linkColdFolder(folder.master, to);
  if (back) await turnBack(folder.master);
}
