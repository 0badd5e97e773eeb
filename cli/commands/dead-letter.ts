import { Command } from "commander";
import { TidemarkError } from "../../views/errors.ts";
import type { DeadLetterAnswer, ListedDeadLetter } from "../answers.ts";
import type { Client } from "../client.ts";
import { type ClientOptions, clientCommand, wholeNumber, withClient } from "../command.ts";
import { Progress } from "../progress.ts";
import { formatBytes, formatCount, plural } from "../quantity.ts";
import { renderTable } from "../table.ts";
import { type Terminal, writeJson } from "../terminal.ts";

interface Choice extends ClientOptions {
  readonly topic?: string;
  readonly code?: string;
}

/** Letters fetched at once where all are gone through. */
const pageLetters = "500";
const previewLength = 48;
const reasonsShown = 10;

export function registerDeadLetter(program: Command, terminal: Terminal): void {
  const command = new Command("dead-letter").description(
    "Look at what was sent and is no event, and send it again",
  );
  command.addCommand(
    withChoice(
      clientCommand(terminal, "list", [
        "dead-letter list",
        "dead-letter list --topic aviation.flight.landed --code TIDEMARK_EVENT_DATA --limit 100",
      ]),
    )
      .description("List dead letters, newest first")
      .option("--limit <letters>", "at most so many", wholeNumber, "20")
      .option("--before <page>", "go on where a list ended")
      .action((options: Choice & { readonly limit: string; readonly before?: string }) =>
        withClient(options.url, async (client) => {
          const { topic, code, limit, before } = options;
          const page = await client.deadLetters({ topic, code, limit, before });
          if (options.json) writeJson(terminal, page);
          else writePage(terminal, page);
        }),
      ),
  );
  command.addCommand(
    clientCommand(terminal, "show", [
      "dead-letter show 12",
      "dead-letter show aviation.flight.landed@12 --json",
    ])
      .description("Show a dead letter whole: its reason, where its record stands, and what was sent")
      .argument("<id>", 'its id, as "list" shows it')
      .action((id: string, options: ClientOptions) =>
        withClient(options.url, async (client) => {
          const letter = await client.deadLetter(id);
          if (options.json) writeJson(terminal, letter);
          else terminal.out.write(describeLetter(letter));
        }),
      ),
  );
  command.addCommand(
    withChoice(
      clientCommand(terminal, "replay", [
        "dead-letter replay 12 13",
        "dead-letter replay --all --code TIDEMARK_EVENT_DATA  # after the event type has got wider",
      ]),
    )
      .description(
        "Send dead letters again, oldest first: what is an event by now is taken, what is none stays with its reason",
      )
      .argument("[id...]", "their ids")
      .option("--all", "all that were not replayed yet, or those of --topic and --code")
      .action((ids: readonly string[], options: Choice & { readonly all?: true }) => {
        if ((ids.length === 0) === (options.all === undefined)) {
          command.error("error: give the ids of letters, or --all");
        }
        return withClient(options.url, (client) => replay(terminal, client, ids, options));
      }),
  );
  program.addCommand(command);
}

function withChoice(command: Command): Command {
  return command
    .option("--topic <type>", "only those of this event type")
    .option("--code <code>", "only those with this reason");
}

interface Remaining {
  readonly id: string;
  readonly code: string;
  readonly message: string;
}

async function replay(
  terminal: Terminal,
  client: Client,
  ids: readonly string[],
  options: Choice,
): Promise<void> {
  const wanted = ids.length > 0 ? ids : await unreplayed(client, options);
  const remaining: Remaining[] = [];
  const progress = new Progress(terminal, "replay", wanted.length);
  try {
    for (const [done, id] of wanted.entries()) {
      progress.update(done, `${formatCount(done)} of ${plural(wanted.length, "letter")}`);
      try {
        await client.replayDeadLetter(id);
      } catch (error) {
        if (!isReason(error)) throw error;
        remaining.push({ id, code: error.code, message: error.message });
      }
    }
  } finally {
    progress[Symbol.dispose]();
  }
  const replayed = wanted.length - remaining.length;
  if (options.json) writeJson(terminal, { replayed, remaining });
  else {
    terminal.out.write(`${plural(replayed, "dead letter")} replayed\n`);
    if (remaining.length > 0) terminal.out.write(`\n${renderRemaining(remaining)}`);
  }
  if (remaining.length === 0) return;
  throw new TidemarkError(
    "TIDEMARK_CLIENT_REJECTED",
    `${formatCount(remaining.length)} of ${plural(wanted.length, "dead letter")} can't be replayed; they stay as they were`,
  );
}

function renderRemaining(remaining: readonly Remaining[]): string {
  const shown = remaining.slice(0, reasonsShown);
  const more = remaining.length - shown.length;
  const table = renderTable([
    { title: "id", values: shown.map(({ id }) => id), align: "right" },
    { title: "code", values: shown.map(({ code }) => code) },
    { title: "why", values: shown.map(({ message }) => message) },
  ]);
  return more === 0 ? table : `${table}… and ${formatCount(more)} more\n`;
}

/** Whether it speaks of the one letter; else nothing more can be sent. */
function isReason(error: unknown): error is TidemarkError {
  return error instanceof TidemarkError && /^TIDEMARK_(EVENT|DEAD_LETTER)_/.test(error.code);
}

/** Oldest first. */
async function unreplayed(client: Client, { topic, code }: Choice): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let before: string | null | undefined; before !== null; ) {
    const page = await client.deadLetters({ topic, code, limit: pageLetters, before });
    for (const { id, isReplayed } of page.deadLetters) if (!isReplayed) ids.push(id);
    before = page.before;
  }
  return ids.reverse();
}

function writePage(
  terminal: Terminal,
  { deadLetters, before }: { deadLetters: readonly ListedDeadLetter[]; before: string | null },
): void {
  if (deadLetters.length === 0) {
    terminal.out.write("no dead letters\n");
    return;
  }
  terminal.out.write(
    renderTable([
      { title: "id", values: deadLetters.map(({ id }) => id), align: "right" },
      { title: "received at", values: deadLetters.map(({ receivedAt }) => receivedAt) },
      { title: "event type", values: deadLetters.map(({ topic }) => topic) },
      { title: "record", values: deadLetters.map(({ record }) => place(record)) },
      { title: "code", values: deadLetters.map(({ code }) => code) },
      { title: "replayed", values: deadLetters.map(({ isReplayed }) => (isReplayed ? "yes" : "")) },
      { title: "bytes", values: deadLetters.map(({ bytes }) => bytes) },
      { title: "begins", values: deadLetters.map(preview) },
    ]),
  );
  if (before !== null)
    terminal.err.write(`there are older ones: --before '${before}' goes on, --limit gives more at once\n`);
}

/** `2:17`: partition and offset, as positions have them. */
function place(record: ListedDeadLetter["record"]): string | null {
  return record === null ? null : `${record.partition}:${record.offset}`;
}

function preview({ raw, encoding }: ListedDeadLetter): string {
  const text = encoding === "utf-8" ? raw : `base64 ${raw}`;
  const beginning = [...text].slice(0, previewLength).join("");
  return beginning.length < text.length ? `${beginning}…` : beginning;
}

function describeLetter(letter: DeadLetterAnswer): string {
  const { id, receivedAt, code, message, topic, record, bytes, isReplayed, text, base64 } = letter;
  const rows: readonly (readonly [string, string])[] = [
    ["id", id],
    ["received at", receivedAt],
    ["reason", `${code}: ${message}`],
    ["event type", topic ?? "not known"],
    [
      "record",
      record === null
        ? "none: a gateway refused it"
        : `partition ${record.partition}, offset ${record.offset}`,
    ],
    ...(record?.key == null ? [] : [["key", record.key] as const]),
    ...Object.entries(record?.headers ?? {}).map(
      ([name, value]) =>
        [`header ${name}`, typeof value === "string" ? value : `base64 ${value.base64}`] as const,
    ),
    ["replayed", isReplayed ? "yes" : "no"],
    ["sent", text === null ? `${formatBytes(bytes)}, no UTF-8, in base64:` : `${formatBytes(bytes)}:`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}`);
  return `${lines.join("\n")}\n\n${text === null ? base64 : printable(text)}\n`;
}

/** Control characters of what anyone sent must not reach the terminal; lines and tabs may. */
function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
