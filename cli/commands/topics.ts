import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { Command } from "commander";
import {
  readDeclarations,
  recordDeclarations,
  requireChangesAllowed,
} from "../../infra/declarations/declarations.ts";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { TopicAdmin } from "../../infra/kafka/topic-admin.ts";
import type { TopicStep } from "../../infra/kafka/topic-plan.ts";
import { wantedTopics } from "../../infra/kafka/topics.ts";
import { logEnd } from "../../infra/log/log.ts";
import { TidemarkError } from "../../views/errors.ts";
import { dataFolder } from "../data-folder.ts";
import { loadApp } from "../load-app.ts";
import { formatCount, plural } from "../quantity.ts";
import { makeSharedKeys, sharedMasterKey } from "../subject-keys.ts";
import { renderTable } from "../table.ts";
import { paint, type Terminal, writeJson } from "../terminal.ts";

interface TopicsOptions {
  readonly app: string;
  readonly data: string;
  readonly yes?: true;
  readonly json?: true;
}

const where = `
KAFKA_BROKERS says where Kafka is, e.g. 127.0.0.1:9092. Replication, min.insync.replicas, retention and compression come from
"topic" of defineEvent. Nothing is ever deleted, and a topic's number of partitions never changes.`;

export function registerTopics(program: Command, terminal: Terminal): void {
  const topics = new Command("topics").description("The topics in Kafka that the app needs.");
  appCommand(topics, "plan", "Show what would be done.", [
    "topics plan                                 for the app in ./tidemark.app.ts",
    "topics plan --app next/app.ts --json        for scripts",
  ]).action((options: TopicsOptions) => plan(options, terminal));
  appCommand(
    topics,
    "apply",
    "Create what is missing and set what differs, after showing it; then processes of the app can start.",
    [
      "topics apply                                asks first",
      "topics apply --app app.ts --data /shared --yes",
    ],
  )
    .option(
      "--data <folder>",
      "the folder that all processes of the app share; made if it is not there",
      ".tidemark",
    )
    .option("--yes", "do not ask")
    .action((options: TopicsOptions) => apply(options, terminal));
  program.addCommand(topics);
}

function appCommand(parent: Command, name: string, what: string, examples: readonly string[]): Command {
  return parent
    .command(name)
    .description(what)
    .option("--app <file>", "the app's declaration", "tidemark.app.ts")
    .option("--json", "print the plan as JSON")
    .addHelpText(
      "after",
      `\nExamples:\n${examples.map((each) => `  $ tidemark ${each}`).join("\n")}\n${where}`,
    );
}

async function plan(options: TopicsOptions, terminal: Terminal): Promise<void> {
  const steps = await withAdmin(options, terminal, (admin, wanted) => admin.plan(wanted));
  show(steps, options, terminal);
  if (steps.some(({ kind }) => kind === "refused")) process.exitCode = 1;
}

async function apply(options: TopicsOptions, terminal: Terminal): Promise<void> {
  const app = await loadApp(options.app);
  const folder = dataFolder(resolve(options.data));
  const { environment } = terminal;
  // Before anything is shown that could not be done.
  sharedMasterKey({ app, environment });
  requireChangesAllowed(app, await readDeclarations(folder.declarations));
  await withAdmin(options, terminal, async (admin, wanted) => {
    const steps = await admin.plan(wanted);
    show(steps, options, terminal);
    const toDo = steps.filter(({ kind }) => kind !== "unchanged");
    const needsYes = toDo.length > 0 && toDo.every(({ kind }) => kind !== "refused");
    if (needsYes && options.yes === undefined && !(await isAgreed(terminal))) return;
    await makeSharedKeys({ app, folder, environment });
    await admin.apply(steps);
    await recordApp(options, terminal);
    if (options.json === undefined) terminal.out.write(`${paint(terminal, "green", "done")}\n`);
  });
}

/** Records are read by the schemas in force when they were written: those before now by the former ones. */
async function recordApp({ app: path, data }: TopicsOptions, terminal: Terminal): Promise<void> {
  const app = await loadApp(path);
  const settings = kafkaSettings(terminal.environment);
  const log = await KafkaLog.open({ settings, topics: app.events });
  try {
    const end = await logEnd(log, app.events);
    await mkdir(data, { recursive: true });
    await recordDeclarations(dataFolder(data).declarations, app, end);
  } finally {
    await log[Symbol.asyncDispose]();
  }
}

async function withAdmin<T>(
  { app }: TopicsOptions,
  terminal: Terminal,
  work: (admin: TopicAdmin, wanted: ReturnType<typeof wantedTopics>) => Promise<T>,
): Promise<T> {
  const loaded = await loadApp(app);
  const wanted = wantedTopics(loaded);
  const admin = new TopicAdmin(kafkaSettings(terminal.environment));
  try {
    return await work(admin, wanted);
  } finally {
    await admin[Symbol.asyncDispose]();
  }
}

/** A script has to say --yes. */
async function isAgreed(terminal: Terminal): Promise<boolean> {
  if (!terminal.isInteractive || process.stdin.isTTY !== true) {
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      "nobody is there to be asked: say --yes to have this plan done",
    );
  }
  const asking = createInterface({ input: process.stdin, output: terminal.err });
  try {
    return /^y(es)?$/i.test((await asking.question("Do this? [y/N] ")).trim());
  } finally {
    asking.close();
  }
}

function show(steps: readonly TopicStep[], options: TopicsOptions, terminal: Terminal): void {
  if (options.json) writeJson(terminal, { topics: steps.map(shownStep) });
  else terminal.out.write(describe(steps, terminal));
}

function describe(steps: readonly TopicStep[], terminal: Terminal): string {
  const lines = steps.flatMap((step) => {
    const [first = "", ...more] = meaning(step);
    const { name, what, partitions } = step.topic;
    return [
      { name, what, partitions: formatCount(partitions), kind: step.kind, line: first },
      ...more.map((line) => ({ name: "", what: "", partitions: "", kind: "", line })),
    ];
  });
  const table = renderTable([
    { title: "topic", values: lines.map(({ name }) => name) },
    { title: "holds", values: lines.map(({ what }) => what) },
    { title: "partitions", values: lines.map(({ partitions }) => partitions), align: "right" },
    { title: "plan", values: lines.map(({ kind }) => kind) },
    { title: "", values: lines.map(({ line }) => line) },
  ]);
  const reasons = steps.flatMap((step) =>
    step.kind === "refused" ? [`${step.topic.name}: ${step.reason}\n\n`] : [],
  );
  const count = (kind: TopicStep["kind"]) => steps.filter((step) => step.kind === kind).length;
  const sum = `${plural(count("create"), "topic")} to create, ${count("change")} to change, ${count("unchanged")} unchanged`;
  const refused = count("refused") === 0 ? "" : paint(terminal, "red", `, ${count("refused")} refused`);
  return `${table}\n${reasons.join("")}${sum}${refused}\n`;
}

function meaning(step: TopicStep): readonly string[] {
  switch (step.kind) {
    case "create": {
      const { replication, config } = step.create;
      const copies =
        replication === 1
          ? "1 copy"
          : `${replication} copies, ${config["min.insync.replicas"]} to acknowledge`;
      const kept =
        config["cleanup.policy"] === "compact"
          ? "the last of each key"
          : keptFor(config["retention.ms"] ?? "");
      return [`${copies}; kept ${kept}`];
    }
    case "change":
      return step.changes.map(({ name, from, to }) => `${name}: ${from === "" ? "unset" : from} → ${to}`);
    case "unchanged":
      return [];
    case "refused":
      // Why is too long for a table.
      return ["see below"];
  }
}

function keptFor(retentionMs: string): string {
  const hours = Number(retentionMs) / 3_600_000;
  if (hours < 0) return "until trimmed";
  return hours % 24 === 0 ? plural(hours / 24, "day") : plural(hours, "hour");
}

function shownStep(step: TopicStep): Readonly<Record<string, unknown>> {
  const { name, what, partitions } = step.topic;
  const shared = { topic: name, holds: what, partitions, plan: step.kind };
  switch (step.kind) {
    case "create":
      return { ...shared, replication: step.create.replication, config: step.create.config };
    case "change":
      return { ...shared, changes: step.changes };
    case "unchanged":
      return shared;
    case "refused":
      return { ...shared, reason: step.reason };
  }
}
