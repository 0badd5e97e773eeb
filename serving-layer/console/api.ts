import { readServerSentEvents, type ServerSentEvent } from "../../infra/server-sent-events.ts";
import type { ViewDescription } from "./answers.ts";
import { askForKey, storedKey } from "./key.ts";

export interface Call {
  readonly method?: "GET" | "POST" | "DELETE";
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

/** A problem document of the server, or that it did not answer at all. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: string;

  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}

/** Throws a Problem, or the signal's reason. Where a key is needed the person is asked for it first. */
export async function call<T>(path: string, request: Call = {}): Promise<T> {
  const response = await send(path, request);
  return (await response.json()) as T;
}

/** An answer as a file. */
export async function fetchFile(path: string): Promise<Blob> {
  return (await send(path, {})).blob();
}

/** Events of a stream until it ends. An EventSource could not send the key. */
export async function* follow(path: string, signal: AbortSignal): AsyncGenerator<ServerSentEvent> {
  const { body } = await send(path, { signal });
  if (body !== null) yield* readServerSentEvents(chunks(body));
}

/** Of this very version, where the app declares several. */
export function rowsPath(
  view: Pick<ViewDescription, "rows" | "compare">,
  parameters: URLSearchParams,
  of: "rows" | "compare" = "rows",
): string {
  // As people write them: a query may hold both as they are.
  const query = parameters.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  return `${view[of]}?${query}`;
}

async function send(path: string, { method = "GET", body, signal }: Call): Promise<Response> {
  for (;;) {
    const key = storedKey();
    const response = await fetch(path, {
      method,
      headers: {
        accept: "application/json, text/event-stream",
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: signal ?? null,
    }).catch((error: unknown) => {
      if (signal?.aborted) throw error;
      throw new Problem("UNREACHABLE", "the server does not answer; it may have been stopped");
    });
    if (response.ok) return response;
    if (response.status !== 401) throw await problemOf(response);
    await askForKey(key);
  }
}

async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text();
  try {
    const { code, detail } = JSON.parse(text) as { code?: unknown; detail?: unknown };
    if (typeof code === "string") return new Problem(code, String(detail));
  } catch {
    // Of a proxy in between, perhaps.
  }
  return new Problem(`HTTP ${response.status}`, text.slice(0, 300) || response.statusText);
}

async function* chunks(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
