import type { Command } from "commander";
import type { Erasure } from "../../infra/erasures/erasures.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { Client } from "../client.ts";
import { untilInterrupted, withClient } from "../command.ts";
import { openAtRest, openFolder } from "../folder-at-rest.ts";
import { Progress } from "../progress.ts";
import { formatCount, plural } from "../quantity.ts";
import { renderTable } from "../table.ts";
import { type Terminal, writeJson } from "../terminal.ts";
import { followRun, runError } from "./batch.ts";

interface EraseOptions {
  readonly app: string;
  readonly data: string;
  readonly url?: string;
  readonly type?: string;
  readonly list?: true;
  readonly json?: true;
}

const examples = `
Examples:
  $ tidemark erase C-17                                        a folder at rest: the app in ./tidemark.app.ts, the folder ./.tidemark
  $ tidemark erase C-17 --type shop.order.placed --data /srv/shop
  $ tidemark erase C-17 --url http://127.0.0.1:4100            a platform that runs
  $ tidemark erase --list
  $ tidemark erase                                             goes on with what is pending, after a crash

The facts of all events whose partition key is KEY and that are in the log by now leave the data folder; every view is computed
anew without them, and no former generation is kept. Later events of the same key are new facts. This can't be undone. On a platform that
runs the free pages of its stores are rewritten when it starts next. Your shell may remember the key.`;

export function registerErase(program: Command, terminal: Terminal): void {
  const command = program
    .command("erase")
    .description("Erase a person's facts: all that stands under a partition key.")
    .argument("[key]", "the partition key of the events")
    .option("--type <name>", "of events of this type alone")
    .option("--list", "show which erasures there were, and what they took out")
    .option("--url <url>", "ask a server that runs, instead of working on a folder at rest")
    .option("--app <file>", "the app's declaration", "tidemark.app.ts")
    .option("--data <folder>", "the data folder", ".tidemark")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", examples)
    .action((key: string | undefined, options: EraseOptions) => {
      if (options.list) return list(options, terminal);
      if (key === undefined && (options.url !== undefined || options.type !== undefined)) {
        command.error("error: give the partition key of the events");
      }
      if (options.url === undefined) return eraseFolder(key, options, terminal);
      return withClient(options.url, (client) => eraseBehind(client, key ?? "", options, terminal));
    });
}

async function list(options: EraseOptions, terminal: Terminal): Promise<void> {
  const show = (erasures: readonly Erasure[]) => {
    if (options.json) writeJson(terminal, { erasures });
    else terminal.out.write(erasures.length === 0 ? "no erasures yet\n" : renderErasures(erasures));
  };
  if (options.url !== undefined) {
    return withClient(options.url, async (client) => show(await client.erasures(1_000)));
  }
  const { folder } = await openFolder(options, terminal);
  const { openErasures } = await import("../erasures.ts");
  show(await openErasures(folder.erasures).list());
}

async function eraseFolder(
  key: string | undefined,
  options: EraseOptions,
  terminal: Terminal,
): Promise<void> {
  const lifecycle = new Lifecycle();
  try {
    const atRest = await openAtRest(options, terminal, lifecycle).catch(sayUrl);
    // Loaded here, so that the other commands start without the stores.
    const { readDeclarations } = await import("../../infra/declarations/declarations.ts");
    const { requireErasable } = await import("../../serving-layer/erasure-routes.ts");
    if (atRest.isCluster) throw atRestInCluster();
    const { undeclaredTypes } = await import("../erasures.ts");
    const { eraseAtRest } = await import("../erase-at-rest.ts");
    const subject = key === undefined ? undefined : { key, type: options.type ?? null };
    if (subject !== undefined) {
      const declarations = await readDeclarations(atRest.folder.declarations);
      requireErasable(atRest.app, subject, undeclaredTypes(atRest.app, declarations));
    }
    using progress = new Progress(terminal, "erasing", 1);
    const done = await untilInterrupted((signal) =>
      eraseAtRest(atRest, subject, {
        signal,
        environment: terminal.environment,
        report: ({ step, view, fraction }) => progress.update(fraction, `${step} ${view ?? ""}`.trimEnd()),
      }),
    );
    progress[Symbol.dispose]();
    showDone(done, options, terminal);
  } finally {
    await lifecycle[Symbol.asyncDispose]();
  }
}

/** Those who fold and serve hold facts too, and have to let go of them. */
function atRestInCluster(): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_ERASURE_REFUSED",
    "the data folder is shared by a cluster, which erases while it runs: ask one of its serving nodes, with --url",
  );
}

/** What runs on the folder can be asked. */
function sayUrl(error: unknown): never {
  if (!(error instanceof TidemarkError) || error.code !== "TIDEMARK_STORE_LOCKED") throw error;
  const message = `${error.message}; or ask it to erase, with --url`;
  throw new TidemarkError(error.code, message, { cause: error });
}

async function eraseBehind(
  client: Client,
  key: string,
  options: EraseOptions,
  terminal: Terminal,
): Promise<void> {
  const asked = await client.erase(key, options.type);
  if (asked.run !== null) {
    const run = await followRun(terminal, client, await client.run(asked.run));
    if (run.state !== "succeeded") throw runError(run);
  }
  showDone([await client.erasure(asked.id)], options, terminal);
}

function showDone(erasures: readonly Erasure[], options: EraseOptions, terminal: Terminal): void {
  if (options.json) writeJson(terminal, { erasures });
  else terminal.out.write(erasures.length === 0 ? "nothing is pending\n" : erasures.map(describe).join(""));
}

function describe({ id, state, records, deadLetters, files, compactedAt }: Erasure): string {
  if (state === "pending") return `erasure ${id} is kept, and done by the next run\n`;
  const left =
    compactedAt === null ? "; the stores' free pages are rewritten when the platform starts next" : "";
  return `erasure ${id}: ${plural(total(records), "record")} out of ${plural(files ?? 0, "file")}, ${plural(deadLetters ?? 0, "dead letter")}${left}\n`;
}

function total(records: Erasure["records"]): number {
  return Object.values(records ?? {}).reduce((sum, count) => sum + count, 0);
}

function renderErasures(erasures: readonly Erasure[]): string {
  const types = ({ records }: Erasure) =>
    Object.entries(records ?? {})
      .map(([type, count]) => `${type} ${formatCount(count)}`)
      .join(", ");
  return renderTable([
    { title: "erasure", values: erasures.map(({ id }) => id) },
    { title: "state", values: erasures.map(({ state }) => state) },
    {
      title: "of facts",
      values: erasures.map(({ before }) => (before === null ? "of a key" : `before ${before.slice(0, 10)}`)),
    },
    { title: "asked", values: erasures.map(({ askedAt }) => askedAt) },
    { title: "done", values: erasures.map(({ doneAt }) => doneAt) },
    { title: "files compacted", values: erasures.map(({ compactedAt }) => compactedAt) },
    { title: "records", values: erasures.map(types) },
    { title: "dead letters", values: erasures.map(({ deadLetters }) => deadLetters) },
  ]);
}
