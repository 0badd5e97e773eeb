import type { Command } from "commander";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { type FolderAtRest, openAtRest } from "../folder-at-rest.ts";
import { paint, type Terminal, writeJson } from "../terminal.ts";
import type { Check } from "../verify/check.ts";

interface VerifyOptions {
  readonly app: string;
  readonly data: string;
  readonly deep?: true;
  readonly json?: true;
}

const examples = `
Examples:
  $ tidemark verify                                 the app in ./tidemark.app.ts, the folder ./.tidemark
  $ tidemark verify --app examples/flights/app.ts --data /tmp/flights --json
  $ tidemark verify --deep                          also the bytes of each file of the master dataset, by its SHA-256

Of a cluster it checks the folder that the nodes share together with the topics of the events and those of the tail:
  $ KAFKA_BROKERS=127.0.0.1:9092 tidemark verify --app app.ts --data /shared
What Kafka no longer holds can't be compared, and it says so. Dead letters and the queue of runs are not looked at.

Nothing may run on the folder meanwhile. Ends with 1 if any check finds a problem.`;

export function registerVerify(program: Command, terminal: Terminal): void {
  program
    .command("verify")
    .description("Check every invariant of a data folder at rest: log, master dataset, generations, tail.")
    .option("--app <file>", "the app's declaration", "tidemark.app.ts")
    .option("--data <folder>", "the folder to check", ".tidemark")
    .option("--deep", "also hold the master dataset's files against their checksums")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", examples)
    .action(async (options: VerifyOptions) => {
      const lifecycle = new Lifecycle();
      const isClean = await openAtRest(options, terminal, lifecycle)
        .then((atRest) => verify(atRest, options, terminal, lifecycle))
        .finally(() => lifecycle[Symbol.asyncDispose]());
      if (!isClean) process.exitCode = 1;
    });
}

async function verify(
  atRest: FolderAtRest,
  options: VerifyOptions,
  terminal: Terminal,
  lifecycle: Lifecycle,
): Promise<boolean> {
  const { app, folder, isCluster } = atRest;
  const checks: Check[] = [];
  const done = (check: Check) => {
    checks.push(check);
    if (options.json === undefined) show(check, terminal);
  };
  // Loaded here, so that the other commands start without the stores.
  const { runChecks } = await import("../verify/run-checks.ts");
  const stores = isCluster
    ? await (await import("../verify/cluster-stores.ts")).clusterStores(atRest, terminal, lifecycle)
    : await (await import("../verify/embedded-stores.ts")).embeddedStores(atRest, terminal, lifecycle);
  for await (const check of runChecks(app, folder, stores, lifecycle, options.deep)) done(check);
  const problems = checks.reduce((sum, check) => sum + check.problemCount, 0);
  if (options.json) writeJson(terminal, { clean: problems === 0, checks: checks.map(describe) });
  else {
    terminal.out.write(
      problems === 0
        ? `${paint(terminal, "green", "clean")}: every invariant that can be checked at rest holds\n`
        : `${paint(terminal, "red", `${problems} problems`)}\n`,
    );
  }
  return problems === 0;
}

function describe({ name, covered, problemCount, problems }: Check) {
  return { name, covered, problemCount, problems };
}

function show({ name, covered, problemCount, problems }: Check, terminal: Terminal): void {
  const mark = problemCount === 0 ? paint(terminal, "green", "✓") : paint(terminal, "red", "✗");
  terminal.out.write(`${mark} ${name.padEnd(32)} ${paint(terminal, "dim", covered)}\n`);
  for (const problem of problems) terminal.out.write(`    ${problem}\n`);
  if (problemCount > problems.length) terminal.out.write(`    and ${problemCount - problems.length} more\n`);
}
