/** `tidemark/client`: asks a Tidemark server, with the rows' types taken from the app's declarations. Needs `fetch` alone. */
import type {
  AnswerRow,
  DiffAnswer,
  FlipAnswer,
  IngestAnswer,
  Provenance,
  ReconciledGeneration,
} from "../cli/answers.ts";
import type { Run } from "../infra/jobs/jobs.ts";
import { readServerSentEvents } from "../infra/server-sent-events.ts";
import type { App } from "../views/app.ts";
import { type ErrorCode, errorCodes, type Offer, TidemarkError } from "../views/errors.ts";
import type { DeclaredApp, DeclaredView } from "../views/row-types.ts";
import type { View } from "../views/view.ts";

type ViewsOf<A extends App> = A extends DeclaredApp<infer Views> ? Views[number] : View;
export type ViewName<A extends App> = ViewsOf<A>["name" | "family"];
/** The name of a family may mean any of its versions: of these, what they have in common can be asked for. */
type Named<A extends App, Name> = Extract<ViewsOf<A>, { readonly name: Name } | { readonly family: Name }>;
type KeyOf<V> = V extends DeclaredView<string, infer Key, unknown> ? Key : AnswerRow;
type ShownOf<V> = V extends DeclaredView<string, unknown, infer Shown> ? Shown : AnswerRow;
type NameIn<T> = keyof T & string;
type Scalar = string | number | boolean | null;

/** What of a view is asked for; dimensions and measures by the names that it declares. */
export interface Question<Key, Shown, Group extends NameIn<Key>, Measured extends NameIn<Shown>> {
  /** Only rows with these values; of several, with any of them. */
  readonly where?: { readonly [K in keyof Key]?: Key[K] | readonly Key[K][] };
  readonly from?: string | number | Date;
  readonly to?: string | number | Date;
  readonly granularity?: string;
  readonly tz?: string;
  /** Default: everything that the view's rows are told apart by. */
  readonly groupBy?: readonly Group[];
  /** Default: all. */
  readonly measures?: readonly Measured[];
  /** `-flights`: falling. */
  readonly orderBy?: readonly (NameIn<Key & Shown> | `-${NameIn<Key & Shown>}`)[];
  readonly limit?: number;
  readonly cursor?: string;
  readonly layer?: "merged" | "batch" | "speed";
  /** A position that has to be covered first, as `ingest` gives it. */
  readonly after?: string;
  /** As it was: the position of an answer, the id of a kept generation, or a time by which one was published. */
  readonly asOf?: string | number | Date;
  readonly timeout?: string;
}

/** A row with the columns that were asked for. */
export type Row<Key, Shown, Group extends keyof Key, Measured extends keyof Shown> = Pick<Key, Group> &
  Pick<Shown, Measured>;

export interface Rows<R> {
  readonly rows: readonly R[];
  readonly cursor: string | null;
  readonly provenance: Provenance;
}

/** What a run computes as of the past: views at a position that names every partition of their topics. */
export interface PastRun<Name extends string> {
  readonly asOf: string;
  /** Default: all whose topics the position names. */
  readonly views?: readonly Name[];
}

interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly offer: Offer;
}

/** A row on every side; null where a side has no such row, or there is nothing to compare with. */
export type Compared<Key, Shown, Group extends keyof Key, Measured extends keyof Shown> = Pick<Key, Group> & {
  readonly [Side in "batch" | "speed" | "merged" | "difference"]: Pick<Shown, Measured> | null;
};

/** `rows` has all rows and replaces what was known; `change` those that changed, and the keys of those that are gone. */
export type LiveEvent<R, K> =
  | { readonly kind: "rows"; readonly rows: readonly R[]; readonly provenance: Provenance }
  | {
      readonly kind: "change";
      readonly rows: readonly R[];
      readonly gone: readonly K[];
      readonly provenance: Provenance;
    };

export interface ClientOptions {
  readonly url: string;
  readonly key?: string;
  /** Default: the global one. */
  readonly fetch?: typeof fetch;
}

/** Two versions of a view, by their numbers, and how many of the rows that differ are shown. */
export interface VersionPair {
  readonly from?: number;
  readonly to?: number;
  readonly limit?: number;
}

export interface SqlAnswer {
  readonly columns: readonly unknown[];
  readonly rows: readonly unknown[];
}

/** `createClient<typeof app>({ url })`. Every method throws the TidemarkError that the server names. */
export function createClient<A extends App = App>(options: ClientOptions): TidemarkClient<A> {
  return new TidemarkClient<A>(options);
}

/** How long to wait before following again, in milliseconds. */
const againMs = 1_000;

export class TidemarkClient<A extends App> {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #fetch: typeof fetch;

  constructor({ url, key, fetch: send = fetch }: ClientOptions) {
    if (!URL.canParse(url))
      throw new TidemarkError("TIDEMARK_CLIENT_URL", `"${url}" is no address of a server`);
    this.#url = url.replace(/\/+$/, "");
    this.#headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
    this.#fetch = (...args) => send(...args);
  }

  rows<
    Name extends ViewName<A>,
    const Group extends NameIn<KeyOf<Named<A, Name>>> = NameIn<KeyOf<Named<A, Name>>>,
    const Measured extends NameIn<ShownOf<Named<A, Name>>> = NameIn<ShownOf<Named<A, Name>>>,
  >(
    view: Name,
    question: Question<KeyOf<Named<A, Name>>, ShownOf<Named<A, Name>>, Group, Measured> = {},
  ): Promise<Rows<Row<KeyOf<Named<A, Name>>, ShownOf<Named<A, Name>>, Group, Measured>>> {
    return this.#json("GET", `/v1/views/${encodeURIComponent(view)}/rows?${searchOf(question)}`);
  }

  compare<
    Name extends ViewName<A>,
    const Group extends NameIn<KeyOf<Named<A, Name>>> = NameIn<KeyOf<Named<A, Name>>>,
    const Measured extends NameIn<ShownOf<Named<A, Name>>> = NameIn<ShownOf<Named<A, Name>>>,
  >(
    view: Name,
    question: Omit<Question<KeyOf<Named<A, Name>>, ShownOf<Named<A, Name>>, Group, Measured>, "layer"> & {
      readonly differing?: boolean;
    } = {},
  ): Promise<Rows<Compared<KeyOf<Named<A, Name>>, ShownOf<Named<A, Name>>, Group, Measured>>> {
    return this.#json("GET", `/v1/views/${encodeURIComponent(view)}/compare?${searchOf(question)}`);
  }

  /** Follows the rows as they change, over lost connections too, until the signal is aborted or the loop is left. */
  async *live<
    Name extends ViewName<A>,
    const Group extends NameIn<KeyOf<Named<A, Name>>> = NameIn<KeyOf<Named<A, Name>>>,
    const Measured extends NameIn<ShownOf<Named<A, Name>>> = NameIn<ShownOf<Named<A, Name>>>,
  >(
    view: Name,
    question: Omit<
      Question<KeyOf<Named<A, Name>>, ShownOf<Named<A, Name>>, Group, Measured>,
      "cursor" | "asOf"
    > & {
      readonly every?: string;
    } = {},
    signal?: AbortSignal,
  ): AsyncGenerator<
    LiveEvent<
      Row<KeyOf<Named<A, Name>>, ShownOf<Named<A, Name>>, Group, Measured>,
      Pick<KeyOf<Named<A, Name>>, Group>
    >
  > {
    const path = `/v1/views/${encodeURIComponent(view)}/rows?${searchOf({ ...question, live: true })}`;
    let lastId: string | undefined;
    const isStopped = () => signal?.aborted === true;
    while (!isStopped()) {
      const stop = new AbortController();
      const stopping = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
      try {
        const headers = lastId === undefined ? {} : { "last-event-id": lastId };
        const response = await this.#send("GET", path, { headers, signal: stopping });
        for await (const { event, data, id } of readServerSentEvents(chunksOf(response))) {
          if (event === "end") break;
          lastId = id;
          yield { kind: event, ...JSON.parse(data) };
        }
      } catch (error) {
        if (isStopped()) return;
        if (error instanceof TidemarkError && !error.canRetry) throw error;
      } finally {
        stop.abort();
      }
      await pause(againMs, signal);
    }
  }

  /** A SELECT over the views; its parameters stand for `$1`, `$2`, … or `$name`. `asOf`: as it was, as with `rows`. */
  sql(
    statement: string,
    parameters: readonly Scalar[] | Readonly<Record<string, Scalar>> = [],
    { asOf }: { readonly asOf?: string | Date } = {},
  ): Promise<SqlAnswer & { readonly provenance: unknown }> {
    return this.#json("POST", "/v1/sql", {
      ...{ sql: statement, parameters },
      ...(asOf !== undefined && { asOf: asOf instanceof Date ? asOf.toISOString() : asOf }),
    });
  }

  /** Sends events; of those that are refused the answer says why. */
  async ingest(events: readonly object[]): Promise<IngestAnswer> {
    return this.#json("POST", "/v1/events", events);
  }

  /** Batch runs and checks. */
  readonly runs = {
    /** As of the past: of the position that a refusal offers in its `offer`, or any other. */
    start: (past?: PastRun<ViewName<A>>): Promise<Run> => this.#json("POST", "/v1/batch/runs", past),
    check: (view?: ViewName<A>): Promise<Run> =>
      this.#json("POST", "/v1/reconciliations", view === undefined ? {} : { view }),
    get: (id: string): Promise<Run> => this.#json("GET", `/v1/batch/runs/${encodeURIComponent(id)}`),
    list: async (limit = 20): Promise<readonly Run[]> =>
      (await this.#json<{ runs: readonly Run[] }>("GET", `/v1/batch/runs?limit=${limit}`)).runs,
    reconciliations: async (): Promise<readonly ReconciledGeneration[]> =>
      (await this.#json<{ reconciliations: readonly ReconciledGeneration[] }>("GET", "/v1/reconciliations"))
        .reconciliations,
  };

  /** Of a view that the app declares several versions of. */
  readonly versions = {
    /** What two of them differ in, row by row at one cut; from the active one to the newest, unless it says otherwise. */
    diff: (view: ViewName<A>, pair: VersionPair = {}): Promise<DiffAnswer> =>
      this.#json("GET", `/v1/views/${encodeURIComponent(view)}/diff?${searchOf(pair)}`),
    /** Lets the name mean this one. */
    flip: (view: ViewName<A>, version: number): Promise<FlipAnswer> =>
      this.#json("POST", `/v1/views/${encodeURIComponent(view)}/active`, { version }),
    /** Lets the name mean the one that it meant before the last flip. */
    rollback: (view: ViewName<A>): Promise<FlipAnswer> =>
      this.#json("POST", `/v1/views/${encodeURIComponent(view)}/rollback`),
  };

  async #json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const sent =
      body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const response = await this.#send(method, path, sent);
    return (await response.json()) as T;
  }

  async #send(method: string, path: string, init: RequestInit): Promise<Response> {
    const headers = { ...this.#headers, ...(init.headers as Readonly<Record<string, string>>) };
    let response: Response;
    try {
      response = await this.#fetch(this.#url + path, { ...init, method, headers });
    } catch (cause) {
      if (init.signal?.aborted) throw cause;
      throw new TidemarkError("TIDEMARK_CLIENT_UNREACHABLE", `${this.#url} can't be reached`, { cause });
    }
    if (response.ok) return response;
    const problem = (await response.json().catch(() => ({}))) as Partial<Problem>;
    const isKnown = problem.code !== undefined && Object.hasOwn(errorCodes, problem.code);
    const code = isKnown ? (problem.code as ErrorCode) : "TIDEMARK_CLIENT_ANSWER";
    throw new TidemarkError(code, problem.detail ?? `status ${response.status}`, { offer: problem.offer });
  }
}

function searchOf(question: object): string {
  const { where = {}, ...others } = question as { where?: Readonly<Record<string, unknown>> };
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(where)) {
    for (const one of [value].flat()) {
      // Null is the word; the text "null" of a dimension that may be null is written in JSON quotes.
      if (one !== undefined) parameters.append(name, String(one));
    }
  }
  for (const [name, value] of Object.entries(others as Readonly<Record<string, unknown>>)) {
    if (value === undefined) continue;
    parameters.set(name, value instanceof Date ? value.toISOString() : String(value));
  }
  return parameters.toString();
}

/** Not every browser iterates over a body. */
async function* chunksOf({ body }: Response): AsyncGenerator<Uint8Array> {
  const reader = body?.getReader();
  for (;;) {
    const { done = true, value } = (await reader?.read()) ?? {};
    if (done || value === undefined) return;
    yield value;
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
