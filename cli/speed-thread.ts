import { MirroredTail } from "../infra/tail/mirrored-tail.ts";
import type { SealRequest, Tail } from "../infra/tail/tail.ts";
import type { Telling } from "../infra/tail/telling.ts";
import { noneSkipped, type Skipped } from "../speed-layer/admission.ts";
import type { App } from "../views/app.ts";
import type { Cut } from "../views/cut.ts";
import { type DescribedError, reviveError } from "../views/errors.ts";
import { isFolded } from "../views/layers.ts";
import { LayerThread } from "./layer-thread.ts";

export interface SpeedThreadOptions {
  readonly app: App;
  readonly appPath: string;
  readonly data: string;
  /** As `SpeedLayerOptions` has it. */
  readonly onTailNearBound: () => void;
  /** A view by its name. */
  readonly onUnaligned: (view: string, error: Error) => void;
}

/** What the thread of the speed layer tells. */
export interface SpeedNews {
  readonly telling: Telling;
  readonly skipped: Readonly<Skipped>;
}

export interface ViewCut {
  /** Its place among the views that are folded. */
  readonly view: number;
  readonly cut: Cut;
}

/** The speed layer in a thread of its own, and its tail as it is told here. */
export class SpeedThread implements SealRequest, AsyncDisposable {
  /** Rejects when the thread ends before it is told to. */
  readonly failed: Promise<never>;
  readonly #thread: LayerThread;
  readonly #parts: SharedParts;

  /** Resolves once the tail is here as the checkpoint has it. Rejects as `startSpeedLayer` does. */
  static async start(options: SpeedThreadOptions): Promise<SpeedThread> {
    const views = options.app.views.filter(isFolded);
    let thread: LayerThread | undefined;
    const release = (view: (typeof views)[number], cut: Cut) => {
      const released: ViewCut = { view: views.indexOf(view), cut };
      // A thread that is gone holds nothing.
      thread?.peer.call("release", released).catch(() => undefined);
    };
    const parts: SharedParts = {
      tail: new MirroredTail({ views, release }),
      skipped: noneSkipped(),
      letGo: async () => undefined,
    };
    thread = await LayerThread.start({
      module: "speed-main",
      what: "the thread of the speed layer",
      ...{ appPath: options.appPath, data: options.data },
      handlers: {
        tell: (payload) => {
          const { telling, skipped } = payload as SpeedNews;
          Object.assign(parts.skipped, skipped);
          return parts.tail.apply(telling);
        },
        "near-bound": async () => options.onTailNearBound(),
        unaligned: async (payload) => {
          const { view, error } = payload as { readonly view: string; readonly error: DescribedError };
          options.onUnaligned(view, reviveError(error));
        },
        "let-go": () => parts.letGo(),
      },
    });
    return new SpeedThread(thread, parts);
  }

  private constructor(thread: LayerThread, parts: SharedParts) {
    this.#thread = thread;
    this.#parts = parts;
    this.failed = thread.failed;
  }

  get tail(): Tail {
    return this.#parts.tail;
  }

  /** Counts since the start. */
  get skipped(): Readonly<Skipped> {
    return this.#parts.skipped;
  }

  /** That the tail holds. */
  get entries(): number {
    return this.#parts.tail.entries;
  }

  /** There are new records in the log. */
  advanced(): void {
    this.#thread.peer.call("advanced", null).catch(() => undefined);
  }

  async seal(): Promise<Cut> {
    return (await this.#thread.peer.call("seal", null)) as Cut;
  }

  /** As `SpeedLayer` has it; what was before is not here any more once it resolves. One at a time. */
  async renew(letGo: () => Promise<void>): Promise<void> {
    this.#parts.letGo = letGo;
    await this.#thread.peer.call("renew", null);
  }

  /** Writes the checkpoint. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread[Symbol.asyncDispose]();
  }
}

/** What is there before the thread is, which speaks before it is ready. */
interface SharedParts {
  readonly tail: MirroredTail;
  readonly skipped: Skipped;
  letGo: () => Promise<void>;
}
