import type { Command } from "commander";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { TidemarkError } from "../../views/errors.ts";
import { wholeNumber } from "../command.ts";
import { loadApp } from "../load-app.ts";
import { sampleEvents } from "../plan/sample.ts";
import { measureThroughput, type Throughput } from "../plan/throughput.ts";
import { Progress } from "../progress.ts";
import { formatCount } from "../quantity.ts";
import { renderTable } from "../table.ts";
import { type Terminal, writeJson } from "../terminal.ts";

interface PlanOptions {
  readonly app: string;
  readonly eventsPerSecond: string;
  readonly type?: string;
  readonly sample?: string;
  readonly json?: true;
}

interface PlannedType extends Throughput {
  readonly type: string;
  readonly declared: number;
  readonly partitions: number;
}

/** Measured with that many events at most. */
const measuredEvents = 100_000;

const examples = `
Examples:
  $ tidemark plan --events-per-second 50000
  $ tidemark plan --events-per-second 50000 --type shop.order.placed --sample orders.ndjson
  $ tidemark plan --events-per-second 50000 --json       for scripts

partitions = max(T / Tp, T / Tc), rounded up: T events a second of each type, Tp and Tc what one partition took in and one
process read, decoded and folded, on this machine and with the Kafka that KAFKA_BROKERS names, in some seconds, by a topic of
its own that is removed. A topic keeps its number of partitions for ever: plan for what is to come.`;

export function registerPlan(program: Command, terminal: Terminal): void {
  program
    .command("plan")
    .description("Measure how many partitions each event type needs for a wanted throughput.")
    .requiredOption("--events-per-second <number>", "of each event type", wholeNumber)
    .option("--app <file>", "the app's declaration", "tidemark.app.ts")
    .option("--type <name>", "of this event type only")
    .option(
      "--sample <file>",
      "events as they are sent, one JSON a line; default: one made up from the schema",
    )
    .option("--json", "print the sums as JSON")
    .addHelpText("after", examples)
    .action((options: PlanOptions) => plan(options, terminal));
}

async function plan(options: PlanOptions, terminal: Terminal): Promise<void> {
  const app = await loadApp(options.app);
  const wanted = Number(options.eventsPerSecond);
  const settings = kafkaSettings(terminal.environment);
  const types = app.events.filter(({ name }) => options.type === undefined || name === options.type);
  if (types.length === 0) {
    const names = app.events.map(({ name }) => name).join(", ");
    throw new TidemarkError("TIDEMARK_CONFIG", `the app has no event type "${options.type}", but ${names}`);
  }
  const planned: PlannedType[] = [];
  const progress = new Progress(terminal, "measuring", types.length);
  try {
    for (const type of types) {
      progress.update(planned.length, type.name);
      const events = await sampleEvents(type, options.sample, measuredEvents);
      const measured = await measureThroughput(app, type, settings, events);
      const partitions = Math.max(
        1,
        Math.ceil(wanted / measured.produced),
        Math.ceil(wanted / measured.consumed),
      );
      planned.push({ ...measured, type: type.name, declared: type.partitions, partitions });
    }
  } finally {
    progress[Symbol.dispose]();
  }
  if (options.json) writeJson(terminal, { eventsPerSecond: wanted, types: planned });
  else terminal.out.write(describe(wanted, planned));
}

function describe(wanted: number, planned: readonly PlannedType[]): string {
  const table = renderTable([
    { title: "event type", values: planned.map(({ type }) => type) },
    { title: "bytes", values: planned.map(({ eventBytes }) => eventBytes) },
    { title: "Tp, events/s", values: planned.map(({ produced }) => produced) },
    { title: "Tc, events/s", values: planned.map(({ consumed }) => consumed) },
    { title: "partitions", values: planned.map(({ partitions }) => partitions) },
    { title: "declared", values: planned.map(({ declared }) => declared) },
  ]);
  const sums = planned.map(({ type, produced, consumed, partitions, declared }) => {
    const sum = `max(${formatCount(wanted)} / ${formatCount(produced)}, ${formatCount(wanted)} / ${formatCount(consumed)})`;
    const verdict = declared >= partitions ? `${declared} are enough` : `declare partitions: ${partitions}`;
    return `${type}: ${sum} → ${partitions}; ${verdict}\n`;
  });
  return `${table}\n${sums.join("")}`;
}
