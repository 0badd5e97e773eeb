/**
 * `npm run demo`: three million real flights go in over HTTP while batch runs replace one generation after the other,
 * and at the end the answers are held against what is known of the flights.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Client } from "../../cli/client.ts";
import { Progress } from "../../cli/progress.ts";
import { formatCount, formatRate, formatShare, formatSpan } from "../../cli/quantity.ts";
import { paint, processTerminal, type Terminal } from "../../cli/terminal.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { answersTo } from "./answers.ts";
import { airportHours } from "./app.ts";
import { describeRun, hasZeroDrift, keepRunning, type ReconciledRun, runBatch } from "./batch-runs.ts";
import { flightCount } from "./flights.ts";
import { type Ingested, ingestFlights } from "./ingest.ts";
import { askAll, renderAnswers } from "./known-answers-table.ts";
import { askLayers, type Day, formatDay, latestDay, rangeOf, renderLayers } from "./side-by-side.ts";
import { freePort, TidemarkProcess } from "./tidemark-process.ts";

const usage = `Usage: npm run demo -- [options]

  --exit         end when done; the exit code is 0 only if every answer is right and no run found drift
  --port PORT    where the server listens (default: a free port)
  --data DIR     where its data goes; stays afterwards (default: a temporary folder)
  --events N     only the first N flights (default: all ${formatCount(flightCount)})
`;

interface DemoOptions {
  readonly exit: boolean;
  readonly port: number | undefined;
  readonly data: string | undefined;
  readonly events: number;
}

function readOptions(args: readonly string[]): DemoOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      exit: { type: "boolean", default: false },
      port: { type: "string" },
      data: { type: "string" },
      events: { type: "string", default: String(flightCount) },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    exit: values.exit,
    port: values.port === undefined ? undefined : wholeNumber("--port", values.port, 65_535),
    data: values.data,
    events: wholeNumber("--events", values.events, flightCount),
  };
}

function wholeNumber(option: string, text: string, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new Error(`${option} is "${text}": give a whole number from 1 to ${max}`);
  }
  return value;
}

/** Gives the exit code. */
async function demo(terminal: Terminal, options: DemoOptions, interrupted: AbortSignal): Promise<number> {
  const say = (text = "") => terminal.out.write(`${text}\n`);
  const startedAt = terminal.now();
  const lifecycle = new Lifecycle();
  try {
    say(paint(terminal, "bold", `${formatCount(options.events)} real flights, two layers, one exact answer`));
    say();
    const data = options.data ?? (await temporaryFolder(lifecycle));
    const server = lifecycle.use(await TidemarkProcess.start(data, options.port ?? (await freePort())));
    say(`server   ${server.url}`);
    say(`data     ${data}`);
    say();
    const client = lifecycle.use(new Client(server.url, interrupted));
    const result = await Promise.race([tell(terminal, client, options.events), server.failed]);
    say(`${formatSpan(terminal.now() - startedAt)} in all, the server's start included`);
    if (!options.exit) {
      say();
      say(addressesToTry(server.url, rangeOf(result.day)));
      await Promise.race([once(interrupted), server.failed]);
    }
    return result.isRight ? 0 : 1;
  } finally {
    await lifecycle[Symbol.asyncDispose]();
  }
}

async function temporaryFolder(lifecycle: Lifecycle): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-demo-"));
  lifecycle.defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function once(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

interface Outcome {
  /** Every answer was right and every run free of drift. */
  readonly isRight: boolean;
  /** The last whole day of the flights. */
  readonly day: Day;
}

/** The whole story. */
async function tell(terminal: Terminal, client: Client, events: number): Promise<Outcome> {
  const say = (text = "") => terminal.out.write(`${text}\n`);
  const runs: ReconciledRun[] = [];
  const ingested = await ingestWithRuns(terminal, client, events, runs);
  const day = latestDay(ingested.latestTime);
  const answers = await answersTo(events);

  const layersBefore = await askLayers(client, day, ingested.position);
  const before = await askAll(client, answers, ingested.position);
  const last = await runBatch(client);
  runs.push(last);
  say(verdict(terminal, runs.length, last));
  const after = await askAll(client, answers, ingested.position);
  const layersAfter = await askLayers(client, day, ingested.position);

  say();
  say(
    `Departures on ${formatDay(day)}, before and after the last batch run: the merged answer does not move.`,
  );
  say();
  say(renderLayers(layersBefore, layersAfter));
  say(renderAnswers(answers, before, after));
  const wrong = answers.filter(({ expected }, i) => before[i] !== expected || after[i] !== expected).length;
  const drifting = runs.filter((run) => !hasZeroDrift(run)).length;
  const isRight = wrong === 0 && drifting === 0;
  const summary = isRight
    ? `✓ every answer exact, zero drift in all of ${runs.length} batch runs`
    : `✗ ${wrong} of ${answers.length} answers wrong, ${drifting} of ${runs.length} batch runs with drift or not compared`;
  say(paint(terminal, isRight ? "green" : "red", summary));
  return { isRight, day };
}

/** Ingest, batch runs and queries at the same time. */
async function ingestWithRuns(
  terminal: Terminal,
  client: Client,
  events: number,
  runs: ReconciledRun[],
): Promise<Ingested> {
  const progress = new Progress(terminal, "flights", events);
  const startedAt = terminal.now();
  let now: Ingested | undefined;
  let isDone = false;
  let glance = "";
  const show = () => {
    if (now === undefined) return;
    const { sent, late } = now;
    const rate = formatRate(sent, terminal.now() - startedAt);
    progress.update(
      sent,
      `${formatCount(sent)} at ${rate}, ${formatShare(late, sent)} out of order${glance}`,
    );
  };
  let begin = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const ingest = ingestFlights(client, events, (ingested) => {
    now = ingested;
    if (ingested.position !== "") begin();
    show();
  }).then((ingested) => {
    isDone = true;
    const { sent, late } = ingested;
    const ms = terminal.now() - startedAt;
    const rate = `${formatRate(sent, ms)}, ${formatShare(late, sent)} of them out of order`;
    progress.note(`${formatCount(sent)} flights acknowledged in ${formatSpan(ms)}: ${rate}`);
    return ingested;
  });
  const report = (run: ReconciledRun) => {
    runs.push(run);
    progress.note(verdict(terminal, runs.length, run));
  };
  const batch = begun.then(() => keepRunning(client, () => isDone, report));
  const queries = keepAsking(
    client,
    () => isDone,
    (text) => {
      glance = text;
      show();
    },
  );
  try {
    const [ingested] = await Promise.all([ingest, batch, queries]);
    return ingested;
  } finally {
    progress[Symbol.dispose]();
  }
}

function verdict(terminal: Terminal, number: number, run: ReconciledRun): string {
  return paint(terminal, hasZeroDrift(run) ? "dim" : "red", describeRun(number, run));
}

const askEveryMs = 1_000;

/** Asks once a second how ORD does so far. */
async function keepAsking(
  client: Client,
  shouldStop: () => boolean,
  report: (text: string) => void,
): Promise<void> {
  while (!shouldStop()) {
    const askedAt = performance.now();
    const { rows } = await client.rows(airportHours.name, {
      origin: "ORD",
      groupBy: "",
      measures: "flights,late",
    });
    const took = (performance.now() - askedAt).toFixed(0);
    const flights = Number(rows[0]?.flights ?? 0);
    const delayed = formatShare(Number(rows[0]?.late ?? 0), flights);
    report(` · ORD: ${formatCount(flights)} departures, ${delayed} delayed (${took} ms)`);
    await new Promise((resolve) => setTimeout(resolve, askEveryMs));
  }
}

function addressesToTry(url: string, day: { readonly from: string; readonly to: string }): string {
  const range = `from=${day.from}&to=${day.to}`;
  return [
    "The server stays up until Ctrl-C. Addresses to try:",
    `  curl '${url}/v1/views/airport-hours/rows?origin=ORD&${range}'`,
    `  curl '${url}/v1/views/routes-by-day/rows?groupBy=origin,destination&measures=flights,worst&orderBy=-flights&limit=10'`,
    `  curl '${url}/v1/views/airport-hours/compare?origin=ORD&${range}'`,
    `  curl '${url}/v1/reconciliations?limit=3'`,
    `  curl '${url}/v1/status'`,
    "or on the command line:",
    `  npx tidemark query airport-hours --where origin=ORD --from ${day.from} --to ${day.to} --url ${url}`,
    `  npx tidemark batch run --url ${url}`,
  ].join("\n");
}

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => interruption.abort(new Error("interrupted")));
}
try {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) process.stdout.write(usage);
  else process.exitCode = await demo(processTerminal(), options, interruption.signal);
} catch (error) {
  const isUsage = (error as { code?: unknown }).code?.toString().startsWith("ERR_PARSE_ARGS") === true;
  if (interruption.signal.aborted) process.stderr.write("interrupted\n");
  else
    process.stderr.write(`${isUsage ? `${(error as Error).message}\n\n${usage}` : (error as Error).stack}\n`);
  process.exitCode = interruption.signal.aborted ? 130 : isUsage ? 2 : 1;
}
