import { text } from "node:stream/consumers";
import type { Erasure } from "../infra/erasures/erasures.ts";
import type { Run } from "../infra/jobs/jobs.ts";
import { readServerSentEvents } from "../infra/server-sent-events.ts";
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
import {
  Connection,
  type Exchange,
  problemError,
  type QueryParameters,
  readJson,
  requireSuccess,
} from "./connection.ts";

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

/**
 * Speaks the HTTP interface of one server. Every method throws the TidemarkError that the server's problem document
 * names, TIDEMARK_CLIENT_UNREACHABLE where nobody answers, or the signal's reason.
 */
export class Client implements Disposable {
  readonly #connection: Connection;

  /** Throws TIDEMARK_CLIENT_URL. The signal, if any, ends whatever is under way; the key, if any, is sent with every request. */
  constructor(url: string, signal?: AbortSignal, key?: string) {
    this.#connection = new Connection(url, signal, key);
  }

  get url(): string {
    return this.#connection.url;
  }

  /** Sends events; rejected ones are part of the answer, even if that is all of them. */
  async ingest({ body, contentType, parameters }: IngestRequest): Promise<IngestAnswer> {
    const response = await this.#connection.send({
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
    return requireSuccess<IngestAnswer>(response);
  }

  async rows(view: string, parameters: QueryParameters): Promise<RowsAnswer> {
    const path = `/v1/views/${encodeURIComponent(view)}/rows`;
    return this.#call<RowsAnswer>({ method: "GET", path, parameters });
  }

  async rowsCsv(view: string, parameters: QueryParameters): Promise<string> {
    const path = `/v1/views/${encodeURIComponent(view)}/rows`;
    return this.#csv({ method: "GET", path, parameters });
  }

  async view(view: string): Promise<ViewAnswer> {
    const path = `/v1/views/${encodeURIComponent(view)}`;
    return this.#call<ViewAnswer>({ method: "GET", path });
  }

  async sql(request: SqlRequest): Promise<SqlAnswer> {
    return this.#call<SqlAnswer>(sqlExchange(request));
  }

  async sqlCsv(request: SqlRequest): Promise<string> {
    return this.#csv(sqlExchange(request));
  }

  async compare(view: string, parameters: QueryParameters): Promise<CompareAnswer> {
    const path = `/v1/views/${encodeURIComponent(view)}/compare`;
    const { rows, provenance } = await this.#call<{
      readonly rows: readonly Readonly<Record<string, unknown>>[];
      readonly provenance: CompareAnswer["provenance"];
    }>({ method: "GET", path, parameters });
    return { rows: rows.map(comparedRow), provenance };
  }

  async submitRun(asked: RunRequest = {}): Promise<Run> {
    const isPlain = Object.values(asked).every((value) => value === undefined);
    const body = isPlain ? {} : { contentType: "application/json", body: JSON.stringify(asked) };
    return this.#call<Run>({ method: "POST", path: "/v1/batch/runs", ...body });
  }

  async run(id: string): Promise<Run> {
    const path = `/v1/batch/runs/${encodeURIComponent(id)}`;
    return this.#call<Run>({ method: "GET", path });
  }

  async runs(limit: number): Promise<readonly Run[]> {
    const parameters = { limit: String(limit) };
    const path = "/v1/batch/runs";
    return (await this.#call<{ readonly runs: readonly Run[] }>({ method: "GET", path, parameters })).runs;
  }

  /** The run as it goes on; the last one given is finished. */
  async *watchRun(id: string): AsyncGenerator<Run> {
    const response = await this.#connection.send({
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
    return this.#call<FlipAnswer>({ method: "POST", path, contentType, body });
  }

  /** Lets the view's name mean the version before. */
  async rollback(view: string): Promise<FlipAnswer> {
    const path = `/v1/views/${encodeURIComponent(view)}/rollback`;
    return this.#call<FlipAnswer>({ method: "POST", path });
  }

  async diff(view: string, parameters: QueryParameters): Promise<DiffAnswer> {
    const path = `/v1/views/${encodeURIComponent(view)}/diff`;
    return this.#call<DiffAnswer>({ method: "GET", path, parameters });
  }

  /** Asks for a check of what is served, of one view or of all. */
  async submitCheck(view?: string): Promise<Run> {
    const body = JSON.stringify(view === undefined ? {} : { view });
    const contentType = "application/json";
    return this.#call<Run>({
      ...{ method: "POST", path: "/v1/reconciliations", contentType, body },
    });
  }

  async reconciliations(parameters: QueryParameters): Promise<readonly ReconciledGeneration[]> {
    const path = "/v1/reconciliations";
    type Answer = { readonly reconciliations: readonly ReconciledGeneration[] };
    return (await this.#call<Answer>({ method: "GET", path, parameters })).reconciliations;
  }

  async deadLetters(parameters: QueryParameters): Promise<DeadLettersAnswer> {
    return this.#call<DeadLettersAnswer>({ method: "GET", path: "/v1/dead-letters", parameters });
  }

  async deadLetter(id: string): Promise<DeadLetterAnswer> {
    const path = `/v1/dead-letters/${encodeURIComponent(id)}`;
    return this.#call<DeadLetterAnswer>({ method: "GET", path });
  }

  /** Throws why it is still no event. */
  async replayDeadLetter(id: string): Promise<void> {
    await this.#call({ method: "POST", path: `/v1/dead-letters/${encodeURIComponent(id)}/replay` });
  }

  /** Asks for the erasure of what stands under the key. */
  async erase(key: string, type?: string): Promise<ErasureAnswer> {
    const path = `/v1/subjects/${encodeURIComponent(key)}`;
    return this.#call<ErasureAnswer>({ method: "DELETE", path, parameters: { type } });
  }

  async erasure(id: string): Promise<Erasure> {
    const path = `/v1/erasures/${encodeURIComponent(id)}`;
    return this.#call<Erasure>({ method: "GET", path });
  }

  async erasures(limit: number): Promise<readonly Erasure[]> {
    const parameters = { limit: String(limit) };
    const path = "/v1/erasures";
    const answer = await this.#call<{ readonly erasures: readonly Erasure[] }>({
      method: "GET",
      path,
      parameters,
    });
    return answer.erasures;
  }

  async status(): Promise<StatusAnswer> {
    return this.#call<StatusAnswer>({ method: "GET", path: "/v1/status" });
  }

  async isReady(): Promise<boolean> {
    const response = await this.#connection.send({ method: "GET", path: "/readyz" });
    response.resume();
    return response.statusCode === 200;
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }

  async #call<Answer>(exchange: Exchange): Promise<Answer> {
    return requireSuccess<Answer>(await this.#connection.send(exchange));
  }

  async #csv(exchange: Exchange): Promise<string> {
    const response = await this.#connection.send({ ...exchange, accept: "text/csv" });
    if (response.statusCode !== 200) await requireSuccess(response);
    return text(response);
  }
}

export function isFinished(run: Run): boolean {
  return run.state !== "queued" && run.state !== "running";
}

function sqlExchange(request: SqlRequest): Exchange {
  return { method: "POST", path: "/v1/sql", contentType: "application/json", body: JSON.stringify(request) };
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
