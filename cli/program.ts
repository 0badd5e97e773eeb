import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { TidemarkError } from "../views/errors.ts";
import { Interrupted } from "./command.ts";
import { paint, type Terminal } from "./terminal.ts";

type Register = (program: Command, terminal: Terminal) => void;

/** By name, in the order of the help. Each has modules of its own to load. */
const commands: Readonly<Record<string, () => Promise<Register>>> = {
  up: async () => (await import("./commands/up.ts")).registerUp,
  ingest: async () => (await import("./commands/ingest.ts")).registerIngest,
  query: async () => (await import("./commands/query.ts")).registerQuery,
  sql: async () => (await import("./commands/sql.ts")).registerSql,
  batch: async () => (await import("./commands/batch.ts")).registerBatch,
  compare: async () => (await import("./commands/compare.ts")).registerCompare,
  flip: async () => (await import("./commands/flip.ts")).registerFlip,
  rollback: async () => (await import("./commands/flip.ts")).registerRollback,
  diff: async () => (await import("./commands/diff.ts")).registerDiff,
  status: async () => (await import("./commands/status.ts")).registerStatus,
  "dead-letter": async () => (await import("./commands/dead-letter.ts")).registerDeadLetter,
  check: async () => (await import("./commands/check.ts")).registerCheck,
  verify: async () => (await import("./commands/verify.ts")).registerVerify,
  erase: async () => (await import("./commands/erase.ts")).registerErase,
  compact: async () => (await import("./commands/compact.ts")).registerCompact,
  tier: async () => (await import("./commands/tier.ts")).registerTier,
  export: async () => (await import("./commands/export.ts")).registerExport,
  replay: async () => (await import("./commands/replay.ts")).registerReplay,
  topics: async () => (await import("./commands/topics.ts")).registerTopics,
  plan: async () => (await import("./commands/plan.ts")).registerPlan,
};

/** The program as a command line needs it: with the command that it names, or with all where it names none. */
export async function createProgram(terminal: Terminal, args: readonly string[] = []): Promise<Command> {
  const program = new Command("tidemark")
    .description("A view declared once, computed by a batch layer and a speed layer, with one exact answer.")
    .version(version())
    .showHelpAfterError("(--help says more)")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out.write(text),
      writeErr: (text) => terminal.err.write(text),
    });
  for (const register of await registrationsFor(args)) register(program, terminal);
  for (const command of descendants(program)) command.copyInheritedSettings(program);
  return program;
}

/**
 * Runs a command line and gives the exit code: 0, 1 where something failed (`code: what` on the error output), 2 where
 * the command line is wrong, 130 where it was interrupted. A command may set another by `process.exitCode`.
 */
export async function runCommandLine(terminal: Terminal, args: readonly string[]): Promise<number> {
  try {
    const program = await createProgram(terminal, args);
    await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof Interrupted) {
      terminal.err.write("interrupted\n");
      return 130;
    }
    terminal.err.write(`${paint(terminal, "red", describe(error))}\n`);
    return 1;
  }
}

function describe(error: unknown): string {
  if (error instanceof TidemarkError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function registrationsFor([name = ""]: readonly string[]): Promise<readonly Register[]> {
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  return Promise.all((load === undefined ? Object.values(commands) : [load]).map((each) => each()));
}

function descendants(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...descendants(child)]);
}

function version(): string {
  for (const path of ["../package.json", "../../package.json"]) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
      if (name === "tidemark") return version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return "unknown";
}
