/** A batch run as everyone sees it. Times are RFC 3339. */
export interface Run {
  readonly id: string;
  readonly state: "queued" | "running" | "succeeded" | "failed" | "cancelled";
  /** Who asked: "schedule", "http", "tail-bound" or a name given. */
  readonly requestedBy: string;
  readonly requestedAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly progress: RunProgress | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly result: RunResult | null;
}

export interface RunProgress {
  readonly step: "seal" | "archive" | "compute" | "reconcile" | "publish";
  readonly view: string | null;
  /** 0 … 1 over the whole run. */
  readonly fraction: number;
}

export interface RunResult {
  readonly generations: readonly {
    readonly view: string;
    readonly id: string;
    readonly rows: number;
    readonly differing: number | null;
  }[];
  readonly records: number;
}

export type RunHandler = (
  run: Run,
  report: (progress: RunProgress) => void,
  signal: AbortSignal,
) => Promise<RunResult>;

/** Batch runs: durable, one at a time per app, in order. */
export interface Jobs extends AsyncDisposable {
  /** Queues a run. With `ifBusy: "refuse"` TIDEMARK_RUN_BUSY naming the run that is going on or waits. */
  submit(request: { readonly requestedBy: string; readonly ifBusy: "wait" | "refuse" }): Promise<Run>;
  /** Newest first. */
  list(limit: number): Promise<readonly Run[]>;
  get(id: string): Promise<Run | undefined>;
  /** A queued run is taken out; a running one is asked to stop. */
  cancel(id: string): Promise<Run>;
  /** Calls back with every change of any run. */
  watch(listener: (run: Run) => void): Disposable;
  /** Starts working runs off. A run found half done (its worker died) is done again once, then failed. */
  work(handler: RunHandler): AsyncDisposable;
}
