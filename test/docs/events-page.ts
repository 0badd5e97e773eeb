import { readFile } from "node:fs/promises";
import type { LogRecord } from "../../infra/log/log.ts";
import { offset } from "../../views/cut.ts";

/** A record as the page shows it. */
interface ShownRecord {
  readonly headers?: Readonly<Record<string, string>>;
  readonly value: unknown;
  readonly partition?: number;
  readonly offset?: number;
  readonly timestamp?: string;
}

/** A fenced block: what stands after the fence, and its lines. */
export interface Block {
  readonly kind: string;
  readonly body: string;
}

export async function eventsPage(): Promise<readonly Block[]> {
  const markdown = await readFile(new URL("../../docs/events.md", import.meta.url), "utf8");
  return [...markdown.matchAll(/^```([^\n]+)\n(.*?)^```$/gms)].map(([, kind = "", body = ""]) => ({
    kind,
    body,
  }));
}

export function shownRecord(body: string): { readonly partition: number; readonly record: LogRecord } {
  const shown = JSON.parse(body) as ShownRecord;
  const headers = Object.entries(shown.headers ?? {}).map(([name, value]) => [name, Buffer.from(value)]);
  const record = {
    offset: offset(shown.offset ?? 0),
    key: null,
    value: Buffer.from(JSON.stringify(shown.value)),
    headers: headers.length === 0 ? undefined : Object.fromEntries(headers),
    timestampMs: Date.parse(shown.timestamp ?? "2001-01-31T12:00:00Z"),
  };
  return { partition: shown.partition ?? 0, record };
}
