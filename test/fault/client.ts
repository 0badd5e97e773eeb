export type Row = Readonly<Record<string, unknown>>;

export interface Answer {
  readonly rows: readonly Row[];
  readonly provenance: {
    /** `topic@partition:offset,…` */
    readonly cut: string;
    readonly position: string;
    readonly generation: string | null;
    readonly lag: number;
    readonly complete: boolean;
    /** Where the app declares several. */
    readonly version?: number;
  };
}

const pollMs = 20;

/** What a user asks of a node, whichever of its routes it has. */
export class Client {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** Posts NDJSON and gives the position that it was acknowledged with. */
  async ingest(lines: string): Promise<{ accepted: number; position: string }> {
    const response = await fetch(`${this.url}/v1/events`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
      body: lines,
    });
    if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`);
    return (await response.json()) as { accepted: number; position: string };
  }

  async get<T>(path: string): Promise<T> {
    const response = await this.#ask(path);
    if (!response.ok) throw new Error(`GET ${path} → ${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  }

  /** Every row of a view, page by page; the tail must be at rest meanwhile. */
  async rows(view: string, parameters: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const rows: Row[] = [];
    let cursor: string | null | undefined;
    for (;;) {
      const query = new URLSearchParams({ ...parameters, limit: "100000", ...(cursor ? { cursor } : {}) });
      const page = await this.get<Answer & { cursor?: string | null }>(`/v1/views/${view}/rows?${query}`);
      rows.push(...page.rows);
      cursor = page.cursor;
      if (!cursor) return { rows, provenance: page.provenance };
    }
  }

  /** Undefined if it is ready; else why it is not. */
  async unready(): Promise<string | undefined> {
    const response = await fetch(`${this.url}/readyz`);
    return response.ok ? undefined : await response.text();
  }

  /** Waits until the tail has folded every record of the view's topics. */
  async caughtUp(view = "totals-by-hour"): Promise<void> {
    for (;;) {
      if ((await this.unready()) === undefined) {
        const { provenance } = await this.get<Answer>(`/v1/views/${view}/rows?limit=1`);
        if (provenance.lag === 0) return;
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }

  /** Whatever comes of it; without a body, or with one as JSON. */
  post(path: string, body?: object): Promise<Response> {
    const sent = body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    return fetch(`${this.url}${path}`, { method: "POST", ...sent });
  }

  /** The answer, or the problem document. */
  async sql<T = { readonly rows: readonly Row[] }>(sql: string, asOf?: string): Promise<T> {
    return (await (await this.post("/v1/sql", { sql, asOf })).json()) as T;
  }

  async startRun(asked?: { readonly full: boolean }): Promise<string> {
    const response = await this.post("/v1/batch/runs", asked);
    if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`);
    return ((await response.json()) as { id: string }).id;
  }

  /** Waits until the run has succeeded and what it made is served, which is a moment later. */
  async runIsDone(id: string): Promise<Row> {
    for (;;) {
      const run = await this.get<Row>(`/v1/batch/runs/${id}`);
      if (run.state === "succeeded") {
        await this.isServed(run);
        return run;
      }
      if (run.state === "failed" || run.state === "cancelled") throw new Error(`run ${JSON.stringify(run)}`);
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }

  /** Waits until this node serves what a run has made. */
  async isServed(run: Row): Promise<void> {
    const { generations } = run.result as { generations: readonly { view: string; id: string }[] };
    for (const { view, id } of generations) {
      // Whichever version its name means.
      const exact = view.includes("@") ? view : `${view}@1`;
      for (;;) {
        if ((await this.#generationOf(exact)) === id) break;
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
    }
  }

  /** Undefined while there is none that could be served: the first of a version waits for the log to be read. */
  async #generationOf(view: string): Promise<string | null | undefined> {
    const response = await this.#ask(`/v1/views/${view}/rows?limit=1`);
    const answer = (await response.json()) as Answer & { readonly code?: string };
    if (response.ok) return answer.provenance.generation;
    if (answer.code === "TIDEMARK_NOT_READY" || answer.code === "TIDEMARK_VIEW_BUILDING") return undefined;
    throw new Error(`${view} → ${response.status}: ${JSON.stringify(answer)}`);
  }

  #ask(path: string): Promise<Response> {
    const url = `${this.url}${path}`;
    return fetch(url).catch((error: unknown) => {
      if (isClosedConnection(error)) return fetch(url);
      throw error;
    });
  }
}

/** A kept connection may be closed by the server just as it is used again: what was asked by it was not heard. */
function isClosedConnection(error: unknown): boolean {
  return ((error as Error).cause as { readonly code?: unknown } | undefined)?.code === "UND_ERR_SOCKET";
}
