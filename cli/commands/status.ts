import { type Command, InvalidArgumentError } from "commander";
import type { StatusAnswer } from "../answers.ts";
import { type ClientOptions, clientCommand, withClient } from "../command.ts";
import { countRecords } from "../provenance.ts";
import { formatCount, formatSpan, plural } from "../quantity.ts";
import { renderTable } from "../table.ts";
import { paint, type Terminal, writeJson } from "../terminal.ts";
import { type Rates, totalOf, watchStatus } from "../watch-status.ts";
import { runLine } from "./batch.ts";

export function registerStatus(program: Command, terminal: Terminal): void {
  program.addCommand(
    clientCommand(terminal, "status", ["status", "status --watch", "status --watch 10 --json"])
      .description("Show what the log holds, what each view rests on and how far it is behind")
      .option(
        "--watch [seconds]",
        "look again and again, every 2 s unless said otherwise, and show rates",
        seconds,
      )
      .action((options: ClientOptions & WatchOptions) =>
        withClient(options.url, async (client, signal) => {
          const show = (status: StatusAnswer, rates?: Rates) => {
            if (options.json) writeJson(terminal, status);
            else terminal.out.write(describeStatus(terminal, status, rates));
          };
          if (options.watch === undefined) return show(await client.status());
          const everyMs = 1_000 * (options.watch === true ? defaultSeconds : Number(options.watch));
          await watchStatus({ terminal, client, signal, everyMs, show });
        }),
      ),
  );
}

interface WatchOptions {
  readonly watch?: string | true;
}

const defaultSeconds = 2;

function seconds(text: string): string {
  if (!/^\d{1,4}(\.\d{1,3})?$/.test(text) || Number(text) < 0.1) {
    throw new InvalidArgumentError("Give seconds from 0.1 to 9999.");
  }
  return text;
}

function describeStatus(terminal: Terminal, status: StatusAnswer, rates?: Rates): string {
  const { app, profile, uptimeMs, log, logObstacle, archived, views, runs, deadLetters } = status;
  const topics = Object.entries(log);
  const rows = Object.entries(views);
  const reasons = rows.flatMap(([, { unready, gap }]) => [
    ...(unready === null ? [] : [`not ready: ${unready}`]),
    ...(gap === null ? [] : [gap]),
  ]);
  return [
    `${paint(terminal, "bold", app)}, ${profile}, up for ${formatSpan(uptimeMs)}`,
    "",
    renderTable([
      { title: "event type", values: topics.map(([topic]) => topic) },
      { title: "partitions", values: topics.map(([, { nexts }]) => nexts.length) },
      { title: "records", values: topics.map(([, { nexts }]) => totalOf(nexts)) },
      ...(rates === undefined
        ? []
        : [{ title: "a second", values: topics.map(([topic]) => rates.topics[topic] ?? null) }]),
      { title: "archived", values: topics.map(([topic]) => countRecords(archived ?? "", topic)) },
    ]),
    renderTable([
      { title: "view", values: rows.map(([name]) => name) },
      ...(rows.every(([, { isActive }]) => isActive)
        ? []
        : [{ title: "active", values: rows.map(([, { isActive }]) => (isActive ? "yes" : "")) }]),
      { title: "generation", values: rows.map(([, { generation }]) => generation?.id ?? null) },
      { title: "rows", values: rows.map(([, { generation }]) => generation?.rows ?? null) },
      { title: "records", values: rows.map(([, { generation }]) => generation?.records ?? null) },
      { title: "tail entries", values: rows.map(([, { tail }]) => tail?.entries ?? null) },
      ...(rates === undefined
        ? []
        : [{ title: "folded a second", values: rows.map(([name]) => rates.views[name] ?? null) }]),
      { title: "lag", values: rows.map(([, { lag }]) => lag) },
    ]),
    ...(logObstacle === null ? [] : [logObstacle]),
    ...reasons,
    ...[runs.running, runs.last].flatMap((run) => (run === null ? [] : [runLine(run)])),
    ...(runs.obstacle === null ? [] : [runs.obstacle]),
    ...(runs.queued === null || runs.queued === 0 ? [] : [`${plural(runs.queued, "run")} waiting`]),
    ...(deadLetters === null ? [] : [deadLetterLine(deadLetters)]),
    ...erasureLines(status),
    ...keyLines(status),
    "",
  ].join("\n");
}

function erasureLines({ erasures: { pending, uncompacted } = { pending: 0, uncompacted: 0 } }: StatusAnswer) {
  return [
    ...(pending === 0 ? [] : [`${plural(pending, "erasure")} pending: the next run does it`]),
    ...(uncompacted === 0
      ? []
      : [`after ${plural(uncompacted, "erasure")} free pages of stores are rewritten at the next start`]),
  ];
}

function keyLines({ keys }: StatusAnswer) {
  if (!keys) return [];
  const { held, destroyed, forgotten } = keys;
  return [
    `${plural(held, "key")} of subjects held, ${formatCount(destroyed)} destroyed; ${plural(forgotten, "record")} passed by as forgotten`,
  ];
}

function deadLetterLine(count: number): string {
  return count === 0 ? "no dead letters" : `${plural(count, "dead letter")}: tidemark dead-letter list`;
}
