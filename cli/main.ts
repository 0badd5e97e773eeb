import { runCommandLine } from "./program.ts";
import { processTerminal } from "./terminal.ts";

// `tidemark query … | head` closes our output early: that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

const code = await runCommandLine(processTerminal(), process.argv.slice(2));
if (code !== 0) process.exitCode = code;
