import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Client } from "../../cli/client.ts";
import { formatSpan } from "../../cli/quantity.ts";
import { paint, processTerminal, type Terminal } from "../../cli/terminal.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { kafkaPlatform } from "./kafka-platform.ts";
import { embeddedPlatform } from "./platform.ts";

/** A story that is told to a platform of its own, with options of its own that are whole numbers. */
export interface Demo<O extends string> {
  readonly usage: string;
  /** Path of the app. */
  readonly app: string;
  /** By option: what it is where it is not given, and the largest it can be. The smallest is 1. */
  readonly options: Readonly<Record<O, { readonly byDefault: number; readonly max: number }>>;
  readonly headline: (options: Readonly<Record<O, number>>) => string;
  readonly tell: (story: Story<O>) => Promise<Outcome>;
}

export interface Story<O extends string> {
  readonly terminal: Terminal;
  /** Takes events. */
  readonly gateway: Client;
  /** Asks the first of what answers queries. */
  readonly client: Client;
  /** Ask the others, if there are any. */
  readonly others: readonly Client[];
  readonly options: Readonly<Record<O, number>>;
  /** Takes files; gone when the demo ends. */
  readonly folder: string;
}

export interface Outcome {
  /** Every answer was right and every run free of drift. */
  readonly isRight: boolean;
  /** What to ask the server for while it stays up: arguments of curl, then of tidemark. */
  readonly toTry: { readonly paths: readonly string[]; readonly commands: readonly string[] };
}

interface Common {
  readonly exit: boolean;
  readonly kafka: boolean;
  readonly port: number | undefined;
  readonly data: string | undefined;
}

/** Reads the command line, tells the story, and sets the exit code. */
export async function runDemo<O extends string>(demo: Demo<O>): Promise<void> {
  const interruption = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => interruption.abort(new Error("interrupted")));
  }
  try {
    const read = readOptions(demo, process.argv.slice(2));
    if (read === undefined) process.stdout.write(demo.usage);
    else process.exitCode = await tellAll(demo, read, interruption.signal);
  } catch (error) {
    const isUsage = (error as { code?: unknown }).code?.toString().startsWith("ERR_PARSE_ARGS") === true;
    if (interruption.signal.aborted) process.stderr.write("interrupted\n");
    else
      process.stderr.write(
        `${isUsage ? `${(error as Error).message}\n\n${demo.usage}` : (error as Error).stack}\n`,
      );
    process.exitCode = interruption.signal.aborted ? 130 : isUsage ? 2 : 1;
  }
}

function readOptions<O extends string>(demo: Demo<O>, args: readonly string[]) {
  const names = Object.keys(demo.options) as O[];
  const { values } = parseArgs({
    args: [...args],
    options: {
      exit: { type: "boolean", default: false },
      kafka: { type: "boolean", default: false },
      port: { type: "string" },
      data: { type: "string" },
      help: { type: "boolean", default: false },
      ...Object.fromEntries(names.map((name) => [name, { type: "string" } as const])),
    },
  });
  if (values.help) return undefined;
  const given: Readonly<Record<string, string | boolean | undefined>> = values;
  const numbers = names.map((name) => {
    const { byDefault, max } = demo.options[name];
    return [name, wholeNumber(`--${name}`, given[name] ?? byDefault, max)] as const;
  });
  const common: Common = {
    exit: values.exit,
    kafka: values.kafka,
    port: values.port === undefined ? undefined : wholeNumber("--port", values.port, 65_535),
    data: values.data,
  };
  return { common, options: Object.fromEntries(numbers) as Record<O, number> };
}

function wholeNumber(option: string, text: string | number | boolean, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new Error(`${option} is "${text}": give a whole number from 1 to ${max}`);
  }
  return value;
}

/** Gives the exit code. */
async function tellAll<O extends string>(
  demo: Demo<O>,
  { common, options }: { readonly common: Common; readonly options: Readonly<Record<O, number>> },
  interrupted: AbortSignal,
): Promise<number> {
  const terminal = processTerminal();
  const say = (text = "") => terminal.out.write(`${text}\n`);
  const startedAt = terminal.now();
  const lifecycle = new Lifecycle();
  try {
    say(paint(terminal, "bold", demo.headline(options)));
    say();
    const folder = await temporaryFolder(lifecycle);
    const data = common.data ?? join(folder, "data");
    const started = { app: demo.app, data, port: common.port };
    const platform = common.kafka
      ? await kafkaPlatform(started, lifecycle, (what) => terminal.err.write(`${what}\n`))
      : await embeddedPlatform(started, lifecycle);
    for (const line of platform.about) say(line);
    say(`data     ${data}`);
    say();
    const clientOf = (url: string) => lifecycle.use(new Client(url, interrupted));
    const [first, ...others] = platform.serving;
    const client = clientOf(first);
    const gateway = clientOf(platform.gateway);
    const { isRight, toTry } = await Promise.race([
      demo.tell({ terminal, gateway, client, others: others.map(clientOf), options, folder }),
      platform.failed,
    ]);
    say(`${formatSpan(terminal.now() - startedAt)} in all, the server's start included`);
    if (!common.exit) {
      say();
      say(addressesToTry(first, toTry));
      await Promise.race([once(interrupted), platform.failed]);
    }
    return isRight ? 0 : 1;
  } finally {
    await lifecycle[Symbol.asyncDispose]();
  }
}

async function temporaryFolder(lifecycle: Lifecycle): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-demo-"));
  lifecycle.defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function once(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function addressesToTry(url: string, { paths, commands }: Outcome["toTry"]): string {
  return [
    "The server stays up until Ctrl-C. Addresses to try:",
    `  ${url}/ in a browser: the console`,
    ...paths.map((path) => `  curl '${url}${path}'`),
    "or on the command line:",
    ...commands.map((command) => `  npx tidemark ${command} --url ${url}`),
  ].join("\n");
}
