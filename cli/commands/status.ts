import type { Command } from "commander";
import type { StatusAnswer } from "../answers.ts";
import { type ClientOptions, clientCommand, withClient } from "../command.ts";
import { countRecords } from "../provenance.ts";
import { formatSpan, plural } from "../quantity.ts";
import { renderTable } from "../table.ts";
import { paint, type Terminal, writeJson } from "../terminal.ts";
import { runLine } from "./batch.ts";

export function registerStatus(program: Command, terminal: Terminal): void {
  program.addCommand(
    clientCommand(terminal, "status", ["status", "status --json"])
      .description("Show what the log holds, what each view rests on and how far it is behind")
      .action((options: ClientOptions) =>
        withClient(options.url, async (client) => {
          const status = await client.status();
          if (options.json) writeJson(terminal, status);
          else terminal.out.write(describeStatus(terminal, status));
        }),
      ),
  );
}

function describeStatus(terminal: Terminal, status: StatusAnswer): string {
  const { app, profile, uptimeMs, log, logObstacle, archived, views, runs, deadLetters } = status;
  const topics = Object.entries(log);
  const rows = Object.entries(views);
  const total = (nexts: readonly number[]) => nexts.reduce((sum, next) => sum + next, 0);
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
      { title: "records", values: topics.map(([, { nexts }]) => total(nexts)) },
      { title: "archived", values: topics.map(([topic]) => countRecords(archived ?? "", topic)) },
    ]),
    renderTable([
      { title: "view", values: rows.map(([name]) => name) },
      { title: "generation", values: rows.map(([, { generation }]) => generation?.id ?? null) },
      { title: "rows", values: rows.map(([, { generation }]) => generation?.rows ?? null) },
      { title: "records", values: rows.map(([, { generation }]) => generation?.records ?? null) },
      { title: "tail entries", values: rows.map(([, { tail }]) => tail?.entries ?? null) },
      { title: "lag", values: rows.map(([, { lag }]) => lag) },
    ]),
    ...(logObstacle === null ? [] : [logObstacle]),
    ...reasons,
    ...[runs.running, runs.last].flatMap((run) => (run === null ? [] : [runLine(run)])),
    ...(runs.obstacle === null ? [] : [runs.obstacle]),
    ...(runs.queued === null || runs.queued === 0 ? [] : [`${plural(runs.queued, "run")} waiting`]),
    ...(deadLetters === null ? [] : [deadLetterLine(deadLetters)]),
    "",
  ].join("\n");
}

function deadLetterLine(count: number): string {
  return count === 0 ? "no dead letters" : `${plural(count, "dead letter")}: tidemark dead-letter list`;
}
