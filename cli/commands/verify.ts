import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import { Duckdb } from "../../infra/duckdb.ts";
import { lockFolder } from "../../infra/folder-lock.ts";
import { GenerationsFolder } from "../../infra/generations/folder.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { TailCheckpoint } from "../../infra/tail/checkpoint.ts";
import type { App } from "../../views/app.ts";
import type { Cut } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { dataFolder } from "../data-folder.ts";
import { loadApp } from "../load-app.ts";
import { paint, type Terminal, writeJson } from "../terminal.ts";
import type { Check } from "../verify/check.ts";
import { checkGenerations } from "../verify/generation-check.ts";
import { checkLog } from "../verify/log-check.ts";
import { checkMaster } from "../verify/master-check.ts";
import { checkTail } from "../verify/tail-check.ts";

interface VerifyOptions {
  readonly app: string;
  readonly data: string;
  readonly json?: true;
}

const examples = `
Examples:
  $ tidemark verify                                 the app in ./tidemark.app.ts, the folder ./.tidemark
  $ tidemark verify --app examples/flights/app.ts --data /tmp/flights --json

Nothing may run on the folder meanwhile. Ends with 1 if any check finds a problem.`;

export function registerVerify(program: Command, terminal: Terminal): void {
  program
    .command("verify")
    .description("Check every invariant of a data folder at rest: log, master dataset, generations, tail.")
    .option("--app <file>", "the app's declaration", "tidemark.app.ts")
    .option("--data <folder>", "the folder to check", ".tidemark")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", examples)
    .action(async (options: VerifyOptions) => {
      const app = await loadApp(options.app);
      const lifecycle = new Lifecycle();
      const isClean = await verify(app, resolve(options.data), options, terminal, lifecycle).finally(() =>
        lifecycle[Symbol.asyncDispose](),
      );
      if (!isClean) process.exitCode = 1;
    });
}

async function verify(
  app: App,
  data: string,
  options: VerifyOptions,
  terminal: Terminal,
  lifecycle: Lifecycle,
): Promise<boolean> {
  const folder = dataFolder(data);
  if (!existsSync(folder.log)) {
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `${data} is no data folder: there is no log in it; name one with --data`,
    );
  }
  lifecycle.use(await lockFolder(data));
  const checks: Check[] = [];
  const done = (check: Check) => {
    checks.push(check);
    if (options.json === undefined) show(check, terminal);
  };
  for await (const check of runChecks(app, folder, lifecycle)) done(check);
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

async function* runChecks(
  app: App,
  folder: ReturnType<typeof dataFolder>,
  lifecycle: Lifecycle,
): AsyncGenerator<Check> {
  const topics = app.events.map(({ name, partitions }) => ({ name, partitions }));
  const log = lifecycle.use(await LmdbLog.open({ path: folder.log, topics, mode: "reader" }));
  const master = MasterFolder.read(folder.master, topics);
  await mkdir(folder.scratch, { recursive: true });
  const duckdb = lifecycle.use(
    await Duckdb.open({ memoryLimit: "1GB", threads: 1, temporaryFolder: folder.scratch }),
  );
  const connection = await duckdb.connect();
  const generations = GenerationsFolder.read({ root: folder.generations, onWatchError: () => undefined });
  const end: Record<string, Cut[string]> = {};
  for (const { name } of topics) end[name] = await log.nexts(name);
  yield await checkLog(app, log, end);
  yield await checkMaster(app, log, master, end, connection);
  const archived = await master.cut();
  for (const view of app.views)
    yield await checkGenerations({ view, generations, log, archived, connection });
  const checkpoint = lifecycle.use(await TailCheckpoint.open({ path: folder.tail, app }));
  const segments = await checkpoint.load();
  for (const view of app.views)
    yield await checkTail(view, segments, await generations.current(view), log, end);
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
