import { styleText } from "node:util";

/** Where a command writes: results to `out`, progress and errors to `err`. */
export interface Terminal {
  readonly out: NodeJS.WritableStream;
  readonly err: NodeJS.WritableStream;
  /** Someone is watching `err`: progress bars and colours, else a sober line now and then. */
  readonly isInteractive: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Milliseconds that never run backwards. */
  readonly now: () => number;
}

export function processTerminal(): Terminal {
  return {
    out: process.stdout,
    err: process.stderr,
    isInteractive: process.stderr.isTTY === true && process.env.TERM !== "dumb",
    environment: process.env,
    now: () => performance.now(),
  };
}

type Style = "bold" | "dim" | "green" | "red" | "yellow";

/** Styled on a terminal that someone watches, unless NO_COLOR (https://no-color.org) asks for none. */
export function paint(terminal: Terminal, style: Style, text: string): string {
  const plain = !terminal.isInteractive || (terminal.environment.NO_COLOR ?? "") !== "";
  return plain ? text : styleText(style, text);
}

export function writeJson(terminal: Terminal, value: unknown): void {
  terminal.out.write(`${JSON.stringify(value, null, 2)}\n`);
}
