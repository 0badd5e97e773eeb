/**
 * `npm run demo`: three million real flights go in over HTTP while batch runs replace one generation after the other,
 * and at the end the answers are held against what is known of the flights.
 */
import { fileURLToPath } from "node:url";
import type { Client } from "../../cli/client.ts";
import { Progress } from "../../cli/progress.ts";
import { formatCount, formatRate, formatShare, formatSpan } from "../../cli/quantity.ts";
import { paint, type Terminal } from "../../cli/terminal.ts";
import { describeRun, hasZeroDrift, keepRunning, type ReconciledRun, runBatch } from "../demo/batch-runs.ts";
import { type Outcome, runDemo, type Story } from "../demo/command.ts";
import { answersTo } from "./answers.ts";
import { airportHours } from "./app.ts";
import { flightCount } from "./flights.ts";
import { type Ingested, ingestFlights } from "./ingest.ts";
import { askAll, renderAnswers } from "./known-answers-table.ts";
import { askLayers, formatDay, latestDay, rangeOf, renderLayers } from "./side-by-side.ts";

const usage = `Usage: npm run demo -- [options]

  --exit         end when done; the exit code is 0 only if every answer is right and no run found drift
  --kafka        on Kafka and Redis, four roles in processes of their own (default: everything in one place)
  --port PORT    where the server listens (default: a free port)
  --data DIR     where its data goes; stays afterwards (default: a temporary folder)
  --events N     only the first N flights (default: all ${formatCount(flightCount)})
`;

/** The whole story. */
async function tell(story: Story<"events">): Promise<Outcome> {
  const { terminal, client, others } = story;
  const { events } = story.options;
  const say = (text = "") => terminal.out.write(`${text}\n`);
  const runs: ReconciledRun[] = [];
  const ingested = await ingestWithRuns(story, runs);
  const day = latestDay(ingested.latestTime);
  const answers = await answersTo(events);

  const layersBefore = await askLayers(client, day, ingested.position);
  const before = await askAll(client, answers, ingested.position);
  const last = await runBatch(client);
  runs.push(last);
  say(verdict(terminal, runs.length, last));
  const after = await askAll(client, answers, ingested.position);
  const layersAfter = await askLayers(client, day, ingested.position);
  const elsewhere = await Promise.all(others.map((other) => askAll(other, answers, ingested.position)));

  say();
  say(
    `Departures on ${formatDay(day)}, before and after the last batch run: the merged answer does not move.`,
  );
  say();
  say(renderLayers(layersBefore, layersAfter));
  say(renderAnswers(answers, before, after));
  const all = [before, after, ...elsewhere];
  const wrong = answers.filter(({ expected }, i) => all.some((asked) => asked[i] !== expected)).length;
  const drifting = runs.filter((run) => !hasZeroDrift(run)).length;
  const isRight = wrong === 0 && drifting === 0;
  const summary = isRight
    ? `✓ every answer exact${others.length === 0 ? "" : " on every serving node"}, zero drift in all of ${runs.length} batch runs`
    : `✗ ${wrong} of ${answers.length} answers wrong, ${drifting} of ${runs.length} batch runs with drift or not compared`;
  say(paint(terminal, isRight ? "green" : "red", summary));
  return { isRight, toTry: addressesToTry(rangeOf(day)) };
}

/** Ingest, batch runs and queries at the same time. */
async function ingestWithRuns(
  { terminal, gateway, client, options: { events } }: Story<"events">,
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
  const ingest = ingestFlights(gateway, events, (ingested) => {
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
  return paint(terminal, hasZeroDrift(run) ? "dim" : "red", describeRun(number, "flights", run));
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

function addressesToTry({ from, to }: { readonly from: string; readonly to: string }): Outcome["toTry"] {
  const range = `from=${from}&to=${to}`;
  return {
    paths: [
      `/v1/views/airport-hours/rows?origin=ORD&${range}`,
      "/v1/views/routes-by-day/rows?groupBy=origin,destination&measures=flights,worst&orderBy=-flights&limit=10",
      `/v1/views/airport-hours/compare?origin=ORD&${range}`,
      "/v1/reconciliations?limit=3",
      "/v1/status",
    ],
    commands: [`query airport-hours --where origin=ORD --from ${from} --to ${to}`, "batch run"],
  };
}

await runDemo<"events">({
  usage,
  app: fileURLToPath(new URL("./app.ts", import.meta.url)),
  options: { events: { byDefault: flightCount, max: flightCount } },
  headline: ({ events }) => `${formatCount(events)} real flights, two layers, one exact answer`,
  tell,
});
