import {
  Agent as HttpAgent,
  type IncomingMessage,
  type RequestOptions,
  request as sendHttp,
} from "node:http";
import { Agent as HttpsAgent, request as sendHttps } from "node:https";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { Erasure } from "../infra/erasures/erasures.ts";
import type { Run } from "../infra/jobs/jobs.ts";
import { readServerSentEvents } from "../infra/server-sent-events.ts";
import { type ErrorCode, errorCodes, TidemarkError } from "../views/errors.ts";
import type {
  AnswerRow,
  AnswerValue,
  CompareAnswer,
  ComparedRow,
  DeadLetterAnswer,
  DeadLettersAnswer,
  DiffAnswer,
  ErasureAnswer,
  FlipAnswer,
  IngestAnswer,
  ReconciledGeneration,
  Rejection,
  RowsAnswer,
  SqlAnswer,
  StatusAnswer,
  ViewAnswer,
} from "./answers.ts";

/** Query parameters; one that is undefined is left out, an array repeats. */
export type QueryParameters = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface IngestRequest {
  readonly body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  readonly contentType: string;
  /** `type` and `source` for events that carry none. */
  readonly parameters?: QueryParameters;
}

/** One SELECT; `$1`, `$2`, … or `?` of an array, `$name` of an object. */
export interface SqlRequest {
  readonly sql: string;
  readonly parameters: readonly AnswerValue[] | Readonly<Record<string, AnswerValue>>;
  /** A position, the id of a kept generation or a time. */
  readonly asOf?: string;
}

export interface RunRequest {
  /** Every view from all records, whatever could go on from the generation that serves. */
  readonly full?: true | undefined;
  /** A past position: what is computed is kept beside what serves. */
  readonly asOf?: string | undefined;
  /** Which, as of the past; all whose topics the position names, if nothing is said. */
  readonly views?: readonly string[] | undefined;
}

interface Exchange {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly parameters?: QueryParameters;
  readonly contentType?: string;
  readonly accept?: string;
  readonly body?: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | string;
}

/**
 * Speaks the HTTP interface of one server. Every method throws the TidemarkError that the server's problem document
 * names, TIDEMARK_CLIENT_UNREACHABLE where nobody answers, or the signal's reason.
 */
export class Client implements Disposable {
  readonly url: string;
  readonly #signal: AbortSignal | undefined;
  readonly #key: string | undefined;
  readonly #agent: HttpAgent;

  /** Throws TIDEMARK_CLIENT_URL. The signal, if any, ends whatever is under way; the key, if any, is sent with every request. */
  constructor(url: string, signal?: AbortSignal, key?: string) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      throw new TidemarkError(
        "TIDEMARK_CLIENT_URL",
        `"${url}" is no address of a server: give one such as http://127.0.0.1:4100`,
      );
    }
    this.url = url.replace(/\/+$/, "");
    this.#signal = signal;
    this.#key = key;
    this.#agent = url.startsWith("https:")
      ? new HttpsAgent({ keepAlive: true })
      : new HttpAgent({ keepAlive: true });
  }

  /** Sends events; rejected ones are part of the answer, even if that is all of them. */
  async ingest({ body, contentType, parameters }: IngestRequest): Promise<IngestAnswer> {
    const response = await this.#send({
      method: "POST",
      path: "/v1/events",
      contentType,
      body,
      ...(parameters && { parameters }),
    });
    if (response.statusCode === 400) {
      const problem = await readJson(response);
      if (problem.code !== "TIDEMARK_INGEST_ALL_REJECTED") throw problemError(problem, response);
      const rejected = (problem.rejected ?? []) as readonly Rejection[];
      const rejectedCount =
        typeof problem.rejectedCount === "number" ? problem.rejectedCount : rejected.length;
      return { accepted: 0, rejected, rejectedCount, position: "" };
    }
    return (await requireSuccess(response)) as unknown as IngestAnswer;
  }

  async rows(view: string, parameters: QueryParameters): Promise<RowsAnswer> {
    const path = `/v1/views/${encodeURIComponent(view)}/rows`;
    return (await this.#call({ method: "GET", path, parameters })) as unknown as RowsAnswer;
  }

  async rowsCsv(view: string, parameters: QueryParameters): Promise<string> {
    const path = `/v1/views/${encodeURIComponent(view)}/rows`;
    const response = await this.#send({ method: "GET", path, parameters, accept: "text/csv" });
    if (response.statusCode !== 200) await requireSuccess(response);
    return text(response);
  }

  async view(view: string): Promise<ViewAnswer> {
    const path = `/v1/views/${encodeURIComponent(view)}`;
    return (await this.#call({ method: "GET", path })) as unknown as ViewAnswer;
  }

  async sql(request: SqlRequest): Promise<SqlAnswer> {
    return (await requireSuccess(await this.#sendSql(request, "application/json"))) as unknown as SqlAnswer;
  }

  async sqlCsv(request: SqlRequest): Promise<string> {
    const response = await this.#sendSql(request, "text/csv");
    if (response.statusCode !== 200) await requireSuccess(response);
    return text(response);
  }

  #sendSql(request: SqlRequest, accept: string): Promise<IncomingMessage> {
    const contentType = "application/json";
    return this.#send({
      method: "POST",
      path: "/v1/sql",
      contentType,
      accept,
      body: JSON.stringify(request),
    });
  }

  async compare(view: string, parameters: QueryParameters): Promise<CompareAnswer> {
    const path = `/v1/views/${encodeURIComponent(view)}/compare`;
    const { rows, provenance } = await this.#call({ method: "GET", path, parameters });
    return {
      rows: (rows as readonly Record<string, unknown>[]).map(comparedRow),
      provenance: provenance as CompareAnswer["provenance"],
    };
  }

  async submitRun(asked: RunRequest = {}): Promise<Run> {
    const isPlain = Object.values(asked).every((value) => value === undefined);
    const body = isPlain ? {} : { contentType: "application/json", body: JSON.stringify(asked) };
    return (await this.#call({ method: "POST", path: "/v1/batch/runs", ...body })) as unknown as Run;
  }

  async run(id: string): Promise<Run> {
    const path = `/v1/batch/runs/${encodeURIComponent(id)}`;
    return (await this.#call({ method: "GET", path })) as unknown as Run;
  }

  async runs(limit: number): Promise<readonly Run[]> {
    const parameters = { limit: String(limit) };
    const { runs } = await this.#call({ method: "GET", path: "/v1/batch/runs", parameters });
    return runs as readonly Run[];
  }

  /** The run as it goes on; the last one given is finished. */
  async *watchRun(id: string): AsyncGenerator<Run> {
    const response = await this.#send({
      method: "GET",
      path: `/v1/batch/runs/${encodeURIComponent(id)}/events`,
    });
    if (response.statusCode !== 200) await requireSuccess(response);
    try {
      for await (const { data } of readServerSentEvents(response)) {
        const run = JSON.parse(data) as Run;
        yield run;
        if (isFinished(run)) return;
      }
    } finally {
      response.destroy();
    }
    yield await this.run(id);
  }

  /** Moves the view's pointer to another of its generations. */
  async activate(view: string, generation: string): Promise<void> {
    const path = `/v1/views/${encodeURIComponent(view)}/generations/${encodeURIComponent(generation)}/activate`;
    await this.#call({ method: "POST", path });
  }

  /** Lets the view's name mean this version. */
  async flip(view: string, version: number): Promise<FlipAnswer> {
    const path = `/v1/views/${encodeURIComponent(view)}/active`;
    const body = JSON.stringify({ version });
    const contentType = "application/json";
    return (await this.#call({ method: "POST", path, contentType, body })) as unknown as FlipAnswer;
  }

  /** Lets the view's name mean the version before. */
  async rollback(view: string): Promise<FlipAnswer> {
    const path = `/v1/views/${encodeURIComponent(view)}/rollback`;
    return (await this.#call({ method: "POST", path })) as unknown as FlipAnswer;
  }

  async diff(view: string, parameters: QueryParameters): Promise<DiffAnswer> {
    const path = `/v1/views/${encodeURIComponent(view)}/diff`;
    return (await this.#call({ method: "GET", path, parameters })) as unknown as DiffAnswer;
  }

  /** Asks for a check of what is served, of one view or of all. */
  async submitCheck(view?: string): Promise<Run> {
    const body = JSON.stringify(view === undefined ? {} : { view });
    const contentType = "application/json";
    return (await this.#call({
      ...{ method: "POST", path: "/v1/reconciliations", contentType, body },
    })) as unknown as Run;
  }

  async reconciliations(parameters: QueryParameters): Promise<readonly ReconciledGeneration[]> {
    const answer = await this.#call({ method: "GET", path: "/v1/reconciliations", parameters });
    return answer.reconciliations as readonly ReconciledGeneration[];
  }

  async deadLetters(parameters: QueryParameters): Promise<DeadLettersAnswer> {
    const answer = await this.#call({ method: "GET", path: "/v1/dead-letters", parameters });
    return answer as unknown as DeadLettersAnswer;
  }

  async deadLetter(id: string): Promise<DeadLetterAnswer> {
    const path = `/v1/dead-letters/${encodeURIComponent(id)}`;
    return (await this.#call({ method: "GET", path })) as unknown as DeadLetterAnswer;
  }

  /** Throws why it is still no event. */
  async replayDeadLetter(id: string): Promise<void> {
    await this.#call({ method: "POST", path: `/v1/dead-letters/${encodeURIComponent(id)}/replay` });
  }

  /** Asks for the erasure of what stands under the key. */
  async erase(key: string, type?: string): Promise<ErasureAnswer> {
    const path = `/v1/subjects/${encodeURIComponent(key)}`;
    return (await this.#call({ method: "DELETE", path, parameters: { type } })) as unknown as ErasureAnswer;
  }

  async erasure(id: string): Promise<Erasure> {
    const path = `/v1/erasures/${encodeURIComponent(id)}`;
    return (await this.#call({ method: "GET", path })) as unknown as Erasure;
  }

  async erasures(limit: number): Promise<readonly Erasure[]> {
    const parameters = { limit: String(limit) };
    const { erasures } = await this.#call({ method: "GET", path: "/v1/erasures", parameters });
    return erasures as readonly Erasure[];
  }

  async status(): Promise<StatusAnswer> {
    return (await this.#call({ method: "GET", path: "/v1/status" })) as unknown as StatusAnswer;
  }

  async isReady(): Promise<boolean> {
    const response = await this.#send({ method: "GET", path: "/readyz" });
    response.resume();
    return response.statusCode === 200;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  async #call(exchange: Exchange): Promise<Readonly<Record<string, unknown>>> {
    return requireSuccess(await this.#send(exchange));
  }

  /** Resolves with the head of the answer, which may come before all of the body was taken. */
  async #send({ method, path, parameters, contentType, accept, body }: Exchange): Promise<IncomingMessage> {
    const url = new URL(this.url + path);
    for (const [name, value] of Object.entries(parameters ?? {})) {
      for (const one of value === undefined ? [] : [value].flat()) url.searchParams.append(name, one);
    }
    const options: RequestOptions = {
      method,
      agent: this.#agent,
      headers: {
        ...(contentType === undefined ? {} : { "content-type": contentType }),
        ...(accept === undefined ? {} : { accept }),
        ...(this.#key === undefined ? {} : { authorization: `Bearer ${this.#key}` }),
      },
      ...(this.#signal && { signal: this.#signal }),
    };
    const send = url.protocol === "https:" ? sendHttps : sendHttp;
    return new Promise((resolve, reject) => {
      const request = send(url, options);
      const fail = (cause: unknown) =>
        reject(this.#signal?.aborted ? this.#signal.reason : this.#lost(cause));
      request.on("response", resolve);
      request.on("error", fail);
      if (body === undefined || typeof body === "string") request.end(body);
      else pipeline(Readable.from(body, { objectMode: false }), request).catch(fail);
    });
  }

  #lost(cause: unknown): unknown {
    if (cause instanceof TidemarkError) return cause;
    const code = (cause as { code?: unknown }).code;
    const reason =
      code === "ECONNREFUSED" ? "nobody answers there" : String((cause as Error).message || code);
    return new TidemarkError(
      "TIDEMARK_CLIENT_UNREACHABLE",
      `${this.url}: ${reason}; start a server with "tidemark up", or say where it is with --url or TIDEMARK_URL`,
      { cause },
    );
  }
}

export function isFinished(run: Run): boolean {
  return run.state !== "queued" && run.state !== "running";
}

function comparedRow(row: Readonly<Record<string, unknown>>): ComparedRow {
  const { batch, speed, merged, difference, ...dimensions } = row;
  const side = (value: unknown) => (value ?? null) as AnswerRow | null;
  return {
    dimensions: dimensions as AnswerRow,
    batch: side(batch),
    speed: side(speed),
    merged: side(merged),
    difference: side(difference),
  };
}

async function readJson(response: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response) chunks.push(chunk as Uint8Array);
  const text = Buffer.concat(chunks).toString();
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw new TidemarkError(
      "TIDEMARK_CLIENT_ANSWER",
      `status ${response.statusCode} with what is no JSON: ${JSON.stringify(text.slice(0, 80))}; is that a Tidemark server?`,
      { cause },
    );
  }
}

async function requireSuccess(response: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const answer = await readJson(response);
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return answer;
  throw problemError(answer, response);
}

function problemError(problem: Readonly<Record<string, unknown>>, response: IncomingMessage): TidemarkError {
  const { code, detail } = problem;
  if (typeof code === "string" && Object.hasOwn(errorCodes, code)) {
    return new TidemarkError(code as ErrorCode, String(detail));
  }
  return new TidemarkError(
    "TIDEMARK_CLIENT_ANSWER",
    `status ${response.statusCode} ${String(code ?? "")}: ${String(detail ?? response.statusMessage)}`,
  );
}
