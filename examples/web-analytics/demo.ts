/**
 * `npm run demo:web`: a week of visits to five sites goes in over HTTP while batch runs replace one generation after the
 * other. Four times on the way every row of every view is held against SQL over the lines that were sent.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Client } from "../../cli/client.ts";
import { Progress } from "../../cli/progress.ts";
import { formatCount, formatRate, formatShare, formatSpan } from "../../cli/quantity.ts";
import { paint, type Terminal } from "../../cli/terminal.ts";
import { describeRun, hasZeroDrift, keepRunning, type ReconciledRun, runBatch } from "../demo/batch-runs.ts";
import { type Outcome, runDemo, type Story } from "../demo/command.ts";
import { visits } from "./app.ts";
import { answerExactly } from "./exact-answers.ts";
import { countRows, examplesOf, type Held, holdAnswers, isRight, renderErrors, renderHeld } from "./held.ts";
import { type Ingested, ingestTraffic } from "./ingest.ts";
import { questions } from "./questions.ts";
import { askLayers, renderLayers } from "./side-by-side.ts";

const eventsByDefault = 200_000;
const maxEvents = 5_000_000;
const stops = 4;

const usage = `Usage: npm run demo:web -- [options]

  --exit         end when done; the exit code is 0 only if every answer is right and no run found drift
  --port PORT    where the server listens (default: a free port)
  --data DIR     where its data goes; stays afterwards (default: a temporary folder)
  --events N     how many page views and goals the week has (default: ${formatCount(eventsByDefault)})
  --seed N       another week: the same seed gives the same events (default: 1)
`;

type Options = "events" | "seed";

/** An answer held against the exact one at some point of the story. */
interface Moment {
  readonly when: string;
  readonly held: Held;
}

/** The whole story. */
async function tell(story: Story<Options>): Promise<Outcome> {
  const { terminal, client, folder } = story;
  const say = (text = "") => terminal.out.write(`${text}\n`);
  const runs: ReconciledRun[] = [];
  const moments: Moment[] = [];
  const file = join(folder, "sent.ndjson");
  const { position } = await ingestWithRuns(story, file, runs, moments);

  const layersBefore = await askLayers(client, position);
  const last = await runBatch(client);
  runs.push(last);
  say(verdict(terminal, runs.length, last));
  const held = await holdAnswers(client, position, await answerExactly(file, questions));
  moments.push({ when: "after the last run", held });
  const layersAfter = await askLayers(client, position);

  say();
  say("Visits by host, before and after the last batch run: the merged answer does not move.");
  say("A visit that goes on past the cut is in both layers, and counts once.");
  say();
  say(renderLayers(layersBefore, layersAfter));
  say("Every row of these answers, held against SQL over the lines that were sent:");
  say();
  say(renderHeld(moments));
  say(renderErrors(held));
  const wrong = moments.filter((moment) => !isRight(moment.held)).length;
  const drifting = runs.filter((run) => !hasZeroDrift(run)).length;
  const isAllRight = wrong === 0 && drifting === 0;
  const summary = isAllRight
    ? `✓ every row exact or within its error, zero drift in all of ${runs.length} batch runs`
    : `✗ answers wrong ${wrong} of ${moments.length} times, ${drifting} of ${runs.length} batch runs with drift or not compared`;
  say(paint(terminal, isAllRight ? "green" : "red", summary));
  return { isRight: isAllRight, toTry };
}

/** Ingest, batch runs and queries at the same time. */
async function ingestWithRuns(
  { terminal, gateway, client, options }: Story<Options>,
  file: string,
  runs: ReconciledRun[],
  moments: Moment[],
): Promise<Ingested> {
  using progress = new Progress(terminal, "events", options.events);
  const startedAt = terminal.now();
  let now: Ingested | undefined;
  let isDone = false;
  let glance = "";
  const show = () => {
    if (now === undefined) return;
    const { sent, late } = now;
    progress.update(sent, `${formatCount(sent)}, ${formatShare(late, sent)} out of order${glance}`);
  };
  let begin = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let heldMs = 0;
  const atStop = async ({ sent, position }: Ingested) => {
    const stoppedAt = terminal.now();
    const held = await holdAnswers(client, position, await answerExactly(file, questions));
    heldMs += terminal.now() - stoppedAt;
    const when = `${Math.round((100 * sent) / options.events)} %`;
    moments.push({ when, held });
    progress.note(describeMoment(terminal, { when, held }));
  };
  const ingest = ingestTraffic(gateway, {
    ...options,
    ...{ file, stops, atStop },
    progress: (ingested) => {
      now = ingested;
      if (ingested.position !== "") begin();
      show();
    },
  }).then((ingested) => {
    isDone = true;
    const { sent, late, again } = ingested;
    const ms = terminal.now() - startedAt - heldMs;
    const odd = `${formatShare(late, sent)} of them out of order, ${formatCount(again)} sent twice`;
    progress.note(
      `${formatCount(sent)} events acknowledged in ${formatSpan(ms)}: ${formatRate(sent, ms)}, ${odd}`,
    );
    return ingested;
  });
  const report = (run: ReconciledRun) => {
    runs.push(run);
    progress.note(verdict(terminal, runs.length, run));
  };
  // The last quarter is left to the speed layer, so that there is something in it to be seen.
  const batch = begun.then(() => keepRunning(client, () => moments.length >= stops - 1, report));
  const queries = keepAsking(
    client,
    () => isDone,
    (text) => {
      glance = text;
      show();
    },
  );
  const [ingested] = await Promise.all([ingest, batch, queries]);
  return ingested;
}

function verdict(terminal: Terminal, number: number, run: ReconciledRun): string {
  return paint(terminal, hasZeroDrift(run) ? "dim" : "red", describeRun(number, "records", run));
}

function describeMoment(terminal: Terminal, { when, held }: Moment): string {
  const rows = formatCount(countRows(held));
  if (isRight(held)) return paint(terminal, "green", `at ${when}: ✓ all ${rows} rows are what SQL says`);
  const examples = examplesOf(held).map((example) => `\n    ${example}`);
  return paint(
    terminal,
    "red",
    `at ${when}: ✗ not all of ${rows} rows are what SQL says${examples.join("")}`,
  );
}

const askEveryMs = 1_000;

/** Asks once a second how the shop does so far. */
async function keepAsking(
  client: Client,
  shouldStop: () => boolean,
  report: (text: string) => void,
): Promise<void> {
  while (!shouldStop()) {
    const askedAt = performance.now();
    const { rows } = await client.rows(visits.name, {
      host: "shop.example.com",
      groupBy: "",
      measures: "visits,bounces",
    });
    const took = (performance.now() - askedAt).toFixed(0);
    const count = Number(rows[0]?.visits ?? 0);
    const bounced = formatShare(Number(rows[0]?.bounces ?? 0), count);
    report(` · shop: ${formatCount(count)} visits, ${bounced} bounced (${took} ms)`);
    await new Promise((resolve) => setTimeout(resolve, askEveryMs));
  }
}

const range = "from=2026-03-29&to=2026-03-30";
const toTry: Outcome["toTry"] = {
  paths: [
    `/v1/views/visits/rows?groupBy=host&measures=visits,bounceRate,viewsPerVisit&${range}`,
    "/v1/views/visits/rows?host=docs.example.org&visitor=wall-0",
    `/v1/views/pages-by-day/rows?${range}&measures=views,visitors,slowMs&orderBy=-views&limit=10`,
    `/v1/views/hosts-by-hour/compare?host=shop.example.com&${range}`,
    "/v1/reconciliations?limit=3",
    "/v1/status",
  ],
  commands: [
    "query hosts-by-hour --where host=shop.example.com --from 2026-03-29 --to 2026-03-30",
    "batch run",
  ],
};

await runDemo<Options>({
  usage,
  app: fileURLToPath(new URL("./app.ts", import.meta.url)),
  options: {
    events: { byDefault: eventsByDefault, max: maxEvents },
    seed: { byDefault: 1, max: 2 ** 32 - 1 },
  },
  headline: ({ events }) => `${formatCount(events)} events of the web, two layers, one exact answer`,
  tell,
});
