import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { readDriftTarget } from "../../batch-layer/drift-webhook.ts";
import { drainTimes } from "../../infra/drain.ts";
import { givesWay, lowerHelpersPriority } from "../../infra/priority.ts";
import { startTracing } from "../../infra/tracing.ts";
import type { App } from "../../views/app.ts";
import { TidemarkError } from "../../views/errors.ts";
import { type Role, roleNames } from "../cluster/role-names.ts";
import { type ColdFlags, coldHelp, coldOptions } from "../cold-options.ts";
import type { Embedded, EmbeddedOptions } from "../embedded.ts";
import { loadApp } from "../load-app.ts";
import { paint, type Terminal } from "../terminal.ts";

interface UpOptions extends ColdFlags {
  readonly app: string;
  readonly data: string;
  readonly host: string;
  readonly port: number;
  readonly schedule?: string;
  readonly logLevel: string;
  readonly role?: Role;
}

const examples = `
Examples:
  $ tidemark up                                     the app in ./tidemark.app.ts on the folder ./.tidemark
  $ tidemark up --app examples/flights/app.ts
  $ tidemark up --schedule "0 * * * *"              batch runs every hour, whatever the app declares
  $ tidemark up --schedule none                     batch runs by hand only
  $ tidemark up --cold /mnt/slow/shop --cold-after 90d
                                                    files whose newest event is older go to another disk

On Kafka and Redis each layer is a process of its own, as many of each as wanted, over one shared folder:
  $ export KAFKA_BROKERS=127.0.0.1:9092 REDIS_URL=redis://127.0.0.1:6379
  $ tidemark topics apply --app app.ts --data /shared
  $ tidemark up --role ingestion --app app.ts --data /shared --port 4100
  $ tidemark up --role speed --app app.ts --data /shared --port 0
  $ tidemark up --role batch --app app.ts --data /shared --port 0
  $ tidemark up --role serving --app app.ts --data /shared --port 4200`;

export function registerUp(program: Command, terminal: Terminal): void {
  program
    .command("up")
    .description(
      "Run an app: ingestion, batch layer, speed layer and serving layer on one folder, or one of them on Kafka.",
    )
    .option("--app <file>", "the app's declaration", "tidemark.app.ts")
    .option("--data <folder>", "where everything is kept; made if it is not there", ".tidemark")
    .option(
      "--host <address>",
      "address to listen on; one that the network reaches needs TIDEMARK_API_KEYS or TIDEMARK_ACCESS",
      "127.0.0.1",
    )
    .option("--port <number>", "port to listen on; 0 takes one that is free", portNumber, 4100)
    .option("--schedule <cron>", 'when batch runs, instead of what the app declares; "none" for never')
    .option("--cold <folder>", coldHelp.cold)
    .option("--cold-after <age>", coldHelp.coldAfter)
    .addOption(
      new Option(
        "--role <layer>",
        "run this layer alone, on the Kafka of KAFKA_BROKERS and the Redis of REDIS_URL",
      ).choices(roleNames),
    )
    .addOption(
      new Option("--log-level <level>", "what is logged, as JSON lines on the error output")
        .choices(["trace", "debug", "info", "warn", "error", "silent"])
        .default("warn"),
    )
    .addHelpText("after", examples)
    .action((options: UpOptions) => up(options, terminal));
}

async function up(options: UpOptions, terminal: Terminal): Promise<void> {
  const [{ pino }, { isGuarded, readSecurity }] = await Promise.all([
    import("pino"),
    import("../security.ts"),
  ]);
  const logger = pino({ level: options.logLevel }, pino.destination(2));
  const cold = coldOptions(options);
  if (cold !== undefined && (options.role ?? "batch") !== "batch") {
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `--cold is for the process that archives: --role batch, not ${options.role}, which finds the folder by itself`,
    );
  }
  const app = withSchedule(await loadApp(options.app), options.schedule);
  const security = await readSecurity(terminal.environment, app, logger);
  if (!isGuarded(security)) requireLoopback(options.host);
  const tracing = await startTracing(terminal.environment, options.role ?? "all");
  const stopped = untilStopped();
  const running = await start(options, {
    app,
    appPath: resolve(options.app),
    data: resolve(options.data),
    host: options.host,
    port: options.port,
    security,
    drain: drainTimes(terminal.environment),
    tracing,
    drift: readDriftTarget(terminal.environment),
    ...(cold && { cold }),
    logger,
  });
  greet(terminal, app, options, running.url);
  try {
    await Promise.race([stopped, running.done]);
  } finally {
    terminal.err.write("stopping: what is in hand is finished first\n");
    await running[Symbol.asyncDispose]();
    await tracing?.[Symbol.asyncDispose]();
  }
}

/** Layers are loaded here, so that the other commands start without them. */
async function start({ role }: UpOptions, options: EmbeddedOptions): Promise<Embedded> {
  const { KAFKA_BROKERS } = process.env;
  if (role === undefined && KAFKA_BROKERS !== undefined && KAFKA_BROKERS !== "") {
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `KAFKA_BROKERS is set: say which layer this process is, --role ${roleNames.join("|")}, or unset it to run everything on the folder alone`,
    );
  }
  if (role === undefined) {
    lowerHelpersPriority(givesWay.helpers);
    return (await import("../embedded.ts")).startEmbedded(options);
  }
  return (await import("../cluster/role.ts")).startRole(role, { ...options, environment: process.env });
}

function greet(terminal: Terminal, app: App, { data, role }: UpOptions, url: string): void {
  const view = app.views[0]?.name;
  const line = (name: string, text: string) => `  ${paint(terminal, "dim", name.padEnd(9))} ${text}\n`;
  const schedule =
    app.batch.schedule === null ? "by hand only" : `${app.batch.schedule} (${app.batch.timezone})`;
  const lines = {
    batch: line("batch", schedule),
    ingest: line(
      "ingest",
      `curl ${url}/v1/events -H 'content-type: application/x-ndjson' --data-binary @events.ndjson`,
    ),
    query: view === undefined ? "" : line("query", `curl '${url}/v1/views/${view}/rows?limit=5'`),
    status: line("status", `curl ${url}/v1/status`),
    console: line("console", `${url}/`),
    ready: line("ready", `curl ${url}/readyz`),
  };
  const shown = {
    all: lines.batch + lines.ingest + lines.query + lines.status + lines.console,
    ingestion: lines.ingest + lines.ready,
    speed: lines.ready,
    batch: lines.batch + lines.ready,
    serving: lines.query + lines.status + lines.console,
  };
  const what = role === undefined ? `"${app.name}"` : `"${app.name}", ${role}`;
  terminal.out.write(
    `${paint(terminal, "bold", `Tidemark runs ${what} at ${url}`)}\n${line("data", resolve(data))}${shown[role ?? "all"]}`,
  );
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError("Give a port from 0 to 65535.");
  return port;
}

/** Without authentication there is nothing between the network and the data. */
function requireLoopback(host: string): void {
  if (/^(127(\.\d{1,3}){3}|::1|localhost)$/.test(host)) return;
  throw new TidemarkError(
    "TIDEMARK_CONFIG",
    `--host ${host} would let the network in: say whom to answer by TIDEMARK_API_KEYS=NAME:PERMISSIONS:SECRET,… (permissions ingest, query, operate, metrics, with "+" between them) or by tokens (TIDEMARK_ACCESS), or listen on 127.0.0.1`,
  );
}

function withSchedule(app: App, schedule: string | undefined): App {
  if (schedule === undefined) return app;
  return { ...app, batch: { ...app.batch, schedule: schedule === "none" ? null : schedule } };
}

/** The first SIGINT or SIGTERM; a second one ends the process as usual. */
function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      process.off("SIGINT", stop).off("SIGTERM", stop);
      resolve();
    };
    process.on("SIGINT", stop).on("SIGTERM", stop);
  });
}
