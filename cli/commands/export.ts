import { createWriteStream, existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { Lifecycle } from "../../infra/lifecycle.ts";
import type { SentBatch } from "../../infra/master/sent-events.ts";
import { offset } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { EventType } from "../../views/event.ts";
import { collect, untilInterrupted } from "../command.ts";
import { type FolderAtRest, openFolder } from "../folder-at-rest.ts";
import { openFolderLog } from "../folder-log.ts";
import { Progress } from "../progress.ts";
import { formatCount } from "../quantity.ts";
import type { Terminal } from "../terminal.ts";

interface ExportOptions {
  readonly app: string;
  readonly data: string;
  readonly type?: readonly string[];
  readonly out?: string;
}

const examples = `
Examples:
  $ tidemark export --out events.ndjson             the app in ./tidemark.app.ts, the folder ./.tidemark
  $ tidemark export --type aviation.flight.landed --app examples/flights/app.ts --data /tmp/flights | gzip > landed.ndjson.gz
  $ tidemark export --out events.ndjson && tidemark ingest events.ndjson --url http://127.0.0.1:4200

Events as CloudEvents in JSON, one a line, that \`tidemark ingest\` takes: those of the master dataset, then those that only
the log has yet; one partition after the other, each in the order of its log. Ids, times and all else are as they were, so events
that were sent twice are there twice and count once again. May run beside a server; what that takes in meanwhile may be missing.`;

export function registerExport(program: Command, terminal: Terminal): void {
  program
    .command("export")
    .description("Write all facts of a data folder as events that can be ingested again.")
    .option("--app <file>", "the app's declaration", "tidemark.app.ts")
    .option("--data <folder>", "the data folder", ".tidemark")
    .option("--type <type>", "only events of this type; may be given several times", collect)
    .option("--out <file>", "where to; default: the standard output")
    .addHelpText("after", examples)
    .action((options: ExportOptions) =>
      untilInterrupted(async (signal) => {
        const lifecycle = new Lifecycle();
        await exportFacts(options, terminal, lifecycle, signal).finally(() =>
          lifecycle[Symbol.asyncDispose](),
        );
      }),
    );
}

async function exportFacts(
  options: ExportOptions,
  terminal: Terminal,
  lifecycle: Lifecycle,
  signal: AbortSignal,
): Promise<void> {
  const opened = await openFolder(options, terminal);
  const types = typesOf(opened, options.type);
  let events = 0;
  using progress = new Progress(terminal, "exporting", 0);
  const lines = async function* () {
    for await (const batch of batchesOf(opened, types, terminal, lifecycle)) {
      events += batch.lines.length;
      progress.update(events, `${formatCount(events)} events`);
      if (batch.lines.length > 0) yield `${batch.lines.join("\n")}\n`;
    }
  };
  const out = options.out === undefined ? terminal.out : createWriteStream(options.out);
  // The standard output is not ours to end.
  await pipeline(Readable.from(lines()), out, { signal, end: options.out !== undefined });
  terminal.err.write(`${formatCount(events)} events of ${types.map(({ name }) => name).join(", ")}\n`);
}

async function* batchesOf(
  opened: FolderAtRest,
  types: readonly EventType[],
  terminal: Terminal,
  lifecycle: Lifecycle,
): AsyncGenerator<SentBatch> {
  // Loaded here, so that the other commands start without the stores.
  const { Duckdb } = await import("../../infra/duckdb.ts");
  const { MasterFolder } = await import("../../infra/master/folder.ts");
  const { archivedLines, loggedLines } = await import("../../infra/master/sent-events.ts");
  const { app, folder } = opened;
  await mkdir(folder.scratch, { recursive: true });
  const duckdb = lifecycle.use(
    await Duckdb.open({ memoryLimit: "512MB", threads: 1, temporaryFolder: folder.scratch }),
  );
  const connection = await duckdb.connect();
  const topics = app.events.map(({ name, partitions }) => ({ name, partitions }));
  const master = MasterFolder.read(folder.master, topics);
  const hasLog = opened.isCluster || existsSync(folder.log);
  const log = hasLog ? await openFolderLog(opened, terminal, lifecycle) : undefined;
  for (const type of types) {
    for (let partition = 0; partition < type.partitions; partition++) {
      let next = offset(0);
      for await (const batch of archivedLines(connection, master, type, partition)) {
        next = batch.next;
        yield batch;
      }
      if (log !== undefined) yield* loggedLines(log, type, partition, next);
    }
  }
}

function typesOf({ app }: FolderAtRest, names: readonly string[] | undefined): readonly EventType[] {
  const unknown = names?.find((name) => !app.events.some((type) => type.name === name));
  if (unknown === undefined) return app.events.filter(({ name }) => names?.includes(name) ?? true);
  throw new TidemarkError(
    "TIDEMARK_CONFIG",
    `the app has no event type "${unknown}"; it has ${app.events.map(({ name }) => name).join(", ")}`,
  );
}
