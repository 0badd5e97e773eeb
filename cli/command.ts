import { Command, InvalidArgumentError } from "commander";
import { Client } from "./client.ts";
import type { Terminal } from "./terminal.ts";

export interface ClientOptions {
  readonly url: string;
  readonly json?: true;
}

export const defaultUrl = "http://127.0.0.1:4100";

/** A command that speaks to a server: with `--url`, `--json` and examples below its help. */
export function clientCommand(terminal: Terminal, name: string, examples: readonly string[]): Command {
  return new Command(name)
    .option(
      "--url <url>",
      "address of the server; TIDEMARK_URL says it once",
      terminal.environment.TIDEMARK_URL ?? defaultUrl,
    )
    .option("--json", "print the answer as JSON")
    .addHelpText("after", `\nExamples:\n${examples.map((example) => `  $ tidemark ${example}`).join("\n")}`);
}

/** For options that may be given several times. */
export function collect(value: string, former: readonly string[] = []): readonly string[] {
  return [...former, value];
}

/** For options that take a whole number from 1. */
export function wholeNumber(text: string): string {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("Give a whole number from 1.");
  return text;
}

/** Thrown when Ctrl-C or SIGTERM ended a command. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** A signal that aborts with `Interrupted` when the process is asked to stop; a second Ctrl-C kills as usual. */
export function interruptionOf(): Disposable & { readonly signal: AbortSignal } {
  const interruption = new AbortController();
  const interrupt = () => {
    stop();
    interruption.abort(new Interrupted("interrupted"));
  };
  const stop = () => void process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  return { signal: interruption.signal, [Symbol.dispose]: stop };
}

/**
 * Runs work with a client whose requests end when the process is asked to stop. The server's
 * key is in TIDEMARK_API_KEY, where no list of processes shows it.
 */
export function withClient(
  url: string,
  work: (client: Client, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  return untilInterrupted(async (signal) => {
    using client = new Client(url, signal, process.env.TIDEMARK_API_KEY || undefined);
    await work(client, signal);
  });
}

/** Runs work that ends, by its signal, when the process is asked to stop. */
export async function untilInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  using interruption = interruptionOf();
  try {
    return await work(interruption.signal);
  } catch (error) {
    // Streams report an abort in their own words.
    throw interruption.signal.aborted ? interruption.signal.reason : error;
  }
}
