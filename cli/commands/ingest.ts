import { open } from "node:fs/promises";
import { pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { type Command, Option } from "commander";
import { TidemarkError } from "../../views/errors.ts";
import type { IngestAnswer } from "../answers.ts";
import type { Client } from "../client.ts";
import { type ClientOptions, clientCommand, withClient } from "../command.ts";
import { Progress } from "../progress.ts";
import { formatBytes, formatCount, formatRate, formatSpan, plural } from "../quantity.ts";
import { type Terminal, writeJson } from "../terminal.ts";

interface IngestOptions extends ClientOptions {
  readonly format?: "ndjson" | "json";
  readonly gzip?: true;
  readonly type?: string;
  readonly source?: string;
}

const reasonsShown = 5;

export function registerIngest(program: Command, terminal: Terminal): void {
  program.addCommand(
    clientCommand(terminal, "ingest", [
      "ingest flights.ndjson.gz",
      "ingest day.json --type aviation.flight.landed --source /airline",
      "zcat flights.ndjson.gz | tidemark ingest -",
    ])
      .description(
        "Send a file of events: NDJSON of any length, or JSON of one event or an array, also gzipped",
      )
      .argument("<file>", 'the file; "-" reads the standard input')
      .addOption(
        new Option(
          "--format <format>",
          "what it holds; default by its name: json for *.json, else ndjson",
        ).choices(["ndjson", "json"]),
      )
      .option("--gzip", "it is gzipped; known of itself for *.gz")
      .option("--type <type>", "event type of the events that carry none")
      .option("--source <source>", "source of the events that carry none")
      .action((file: string, options: IngestOptions) =>
        withClient(options.url, (client) => ingest(terminal, client, file, options)),
      ),
  );
}

async function ingest(
  terminal: Terminal,
  client: Client,
  file: string,
  options: IngestOptions,
): Promise<void> {
  const format = options.format ?? (/\.json(\.gz)?$/.test(file) ? "json" : "ndjson");
  const startedAt = terminal.now();
  const input = await openInput(file);
  const progress = new Progress(terminal, "ingest", input.bytes);
  let events = 0;
  const meter = (chunk: Uint8Array) => {
    if (format === "ndjson") events += countLines(chunk);
    const ms = terminal.now() - startedAt;
    const sent = input.bytesRead();
    progress.update(
      sent,
      format === "ndjson"
        ? `${plural(events, "event")}, ${formatRate(events, ms)}`
        : `${formatBytes(sent)} in ${formatSpan(ms)}`,
    );
  };
  let answer: IngestAnswer;
  try {
    answer = await client.ingest({
      body: chunksOf(file, input.stream, options.gzip ?? file.endsWith(".gz"), meter),
      contentType: format === "json" ? "application/json" : "application/x-ndjson",
      parameters: { type: options.type, source: options.source },
    });
  } finally {
    progress[Symbol.dispose]();
    input.stream.destroy();
  }
  if (options.json) writeJson(terminal, answer);
  else writeAnswer(terminal, answer, terminal.now() - startedAt);
  if (answer.rejectedCount > 0) {
    const total = formatCount(answer.accepted + answer.rejectedCount);
    throw new TidemarkError(
      "TIDEMARK_CLIENT_REJECTED",
      `${formatCount(answer.rejectedCount)} of ${total} events were rejected; the server keeps them as dead letters`,
    );
  }
}

interface Input {
  readonly stream: Readable;
  /** 0 where that is not known. */
  readonly bytes: number;
  readonly bytesRead: () => number;
}

async function openInput(file: string): Promise<Input> {
  if (file === "-") return { stream: process.stdin, bytes: 0, bytesRead: () => process.stdin.bytesRead };
  try {
    const handle = await open(file);
    const { size } = await handle.stat();
    const stream = handle.createReadStream({ highWaterMark: 256 * 1024 });
    return { stream, bytes: size, bytesRead: () => stream.bytesRead };
  } catch (cause) {
    throw fileError(file, cause);
  }
}

/** The input's bytes, unpacked; `meter` sees each chunk when it is asked for. Throws TIDEMARK_CLIENT_FILE. */
async function* chunksOf(
  file: string,
  stream: Readable,
  gzip: boolean,
  meter: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of gzip ? unzip(stream) : stream) {
      meter(chunk);
      yield chunk;
    }
  } catch (cause) {
    throw fileError(file, cause);
  }
}

function unzip(stream: Readable): Readable {
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  // The reader of `gunzip` gets the error of either.
  return pipeline(stream, gunzip, () => {});
}

function fileError(file: string, cause: unknown): TidemarkError {
  return new TidemarkError("TIDEMARK_CLIENT_FILE", `can't read "${file}": ${(cause as Error).message}`, {
    cause,
  });
}

function countLines(chunk: Uint8Array): number {
  let lines = 0;
  for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lines++;
  return lines;
}

function writeAnswer(terminal: Terminal, answer: IngestAnswer, ms: number): void {
  const { accepted, rejected, rejectedCount, position } = answer;
  terminal.out.write(
    `${plural(accepted, "event")} accepted in ${formatSpan(ms)} (${formatRate(accepted, ms)}), ${formatCount(rejectedCount)} rejected\n`,
  );
  for (const { index, code, message } of rejected.slice(0, reasonsShown)) {
    terminal.out.write(`  event ${formatCount(index)}: ${code}: ${message}\n`);
  }
  if (rejectedCount > reasonsShown) {
    terminal.out.write(`  … and ${formatCount(rejectedCount - reasonsShown)} more\n`);
  }
  if (position !== "") terminal.out.write(`position ${position}\n`);
}
