import { PassThrough } from "node:stream";
import { runCommandLine } from "../../cli/program.ts";

export interface Printed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line in this process, which spares the start of one of its own, as a script would: nobody watches. */
export async function tidemarkHere(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Printed> {
  const [out, err] = [collected(), collected()];
  const terminal = { out: out.stream, err: err.stream, isInteractive: false, environment };
  const code = await runCommandLine({ ...terminal, now: () => performance.now() }, args);
  // A command may leave it for the process, which here is another's.
  const left = process.exitCode;
  process.exitCode = undefined;
  return { code: Number(left ?? code), out: out.text(), err: err.text() };
}

/** Takes whatever is written at once, so that nobody waits for it to be read. */
function collected() {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return { stream, text: () => Buffer.concat(chunks).toString() };
}
