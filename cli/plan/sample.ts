import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";

import { recordText } from "../../infra/log/record-text.ts";
import { Decoder } from "../../views/decoder.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { EventType } from "../../views/event.ts";
import { Create } from "../../views/typebox.ts";

/**
 * Texts of different events of the type: those of a file, one JSON a line, under new ids and over and over, or one that the
 * schema lets be made up. TIDEMARK_CLIENT_FILE where that gives no event of the type.
 */
export async function sampleEvents(
  type: EventType,
  path: string | undefined,
  count: number,
): Promise<readonly Buffer[]> {
  const samples = path === undefined ? [madeUp(type)] : await linesOf(type, path);
  const run = randomUUID();
  const texts = Array.from({ length: count }, (_, i) =>
    Buffer.from(JSON.stringify({ ...samples[i % samples.length], id: `${run}-${i}` })),
  );
  const decoder = new Decoder([type]);
  for (const text of texts.slice(0, samples.length)) {
    try {
      decoder.decode(recordText(text));
    } catch (cause) {
      throw new TidemarkError(
        "TIDEMARK_CLIENT_FILE",
        `${path ?? "what can be made up from the schema"} is no event of "${type.name}" (${(cause as Error).message}): give some real ones, one JSON a line, with --sample FILE`,
        { cause },
      );
    }
  }
  return texts;
}

function madeUp({ name, schema }: EventType): object {
  return {
    specversion: "1.0",
    source: "plan",
    type: name,
    time: "2001-01-01T00:00:00Z",
    data: Create(schema),
  };
}

async function linesOf({ name }: EventType, path: string): Promise<readonly object[]> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new TidemarkError("TIDEMARK_CLIENT_FILE", `${path} can't be read (${(cause as Error).message})`, {
      cause,
    });
  });
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const events = lines.slice(0, 10_000).map((line, i) => {
    try {
      return JSON.parse(line) as { readonly type?: unknown };
    } catch (cause) {
      throw new TidemarkError("TIDEMARK_CLIENT_FILE", `${path}:${i + 1} is no JSON`, { cause });
    }
  });
  const own = events.filter(({ type }) => type === name);
  if (own.length === 0)
    throw new TidemarkError("TIDEMARK_CLIENT_FILE", `${path} has no event of type "${name}"`);
  return own;
}
