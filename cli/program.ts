import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { TidemarkError } from "../views/errors.ts";
import { Interrupted } from "./command.ts";
import { registerBatch } from "./commands/batch.ts";
import { registerCheck } from "./commands/check.ts";
import { registerCompact } from "./commands/compact.ts";
import { registerCompare } from "./commands/compare.ts";
import { registerDeadLetter } from "./commands/dead-letter.ts";
import { registerIngest } from "./commands/ingest.ts";
import { registerPlan } from "./commands/plan.ts";
import { registerQuery } from "./commands/query.ts";
import { registerReplay } from "./commands/replay.ts";
import { registerSql } from "./commands/sql.ts";
import { registerStatus } from "./commands/status.ts";
import { registerTopics } from "./commands/topics.ts";
import { registerUp } from "./commands/up.ts";
import { registerVerify } from "./commands/verify.ts";
import { paint, type Terminal } from "./terminal.ts";

export function createProgram(terminal: Terminal): Command {
  const program = new Command("tidemark")
    .description("A view declared once, computed by a batch layer and a speed layer, with one exact answer.")
    .version(version())
    .showHelpAfterError("(--help says more)")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out.write(text),
      writeErr: (text) => terminal.err.write(text),
    });
  registerUp(program, terminal);
  registerIngest(program, terminal);
  registerQuery(program, terminal);
  registerSql(program, terminal);
  registerBatch(program, terminal);
  registerCompare(program, terminal);
  registerStatus(program, terminal);
  registerDeadLetter(program, terminal);
  registerCheck(program, terminal);
  registerVerify(program, terminal);
  registerCompact(program, terminal);
  registerReplay(program, terminal);
  registerTopics(program, terminal);
  registerPlan(program, terminal);
  for (const command of descendants(program)) command.copyInheritedSettings(program);
  return program;
}

/**
 * Runs a command line and gives the exit code: 0, 1 where something failed (`code: what` on the error output), 2 where
 * the command line is wrong, 130 where it was interrupted. A command may set another by `process.exitCode`.
 */
export async function runCommandLine(terminal: Terminal, args: readonly string[]): Promise<number> {
  try {
    await createProgram(terminal).parseAsync(args, { from: "user" });
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
