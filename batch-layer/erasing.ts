import type { Found, PendingErasure } from "../infra/erasures/erasures.ts";
import type { ErasuresFolder } from "../infra/erasures/erasures-folder.ts";
import type { GenerationsWriter, Manifest } from "../infra/generations/generations.ts";
import type { Eraser } from "../infra/master/eraser.ts";
import type { Cut } from "../views/cut.ts";
import { isOfType, type SubjectFacts } from "../views/subject.ts";

/** Stores that the rest of the platform has open, as an erasure needs them. */
export interface OtherStores {
  /** How many dead letters there are of each subject; what is of several is the first's. */
  countLetters(subjects: readonly SubjectFacts[]): Promise<readonly number[]>;
  eraseLetters(subjects: readonly SubjectFacts[]): Promise<void>;
  /** Destroys the keys with which the log holds their records, where it holds them encrypted; gives how many there were. */
  destroyKeys(subjects: readonly SubjectFacts[]): Promise<number>;
  /**
   * Called once the pointers name generations that were computed without the subjects: nothing from before the cut, which is of the
   * event types that had any of theirs, is to be held any more by log, speed layer, serving layer or the queue of runs.
   */
  forget(cut: Cut): Promise<void>;
}

export interface ErasingParts {
  readonly erasures: Pick<ErasuresFolder, "pending" | "found" | "done">;
  readonly eraser: Eraser;
  readonly generations: Pick<GenerationsWriter, "keepOnly">;
  /** What runs have computed of the past. */
  readonly pasts: Pick<GenerationsWriter, "keepOnly">;
  readonly others: OtherStores;
  /** Whether the files of stores have free pages from before an erasure until the platform starts next. */
  readonly leavesPages: boolean;
  /** Does work while nothing is archived or compacted. */
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>;
}

/**
 * Erasures as a part of a batch run: what is asked for is taken out once it is archived and before views are computed, and forgotten
 * by everybody else once those are published. Each step can be done again: a crash leaves the erasure pending.
 */
export class Erasing {
  readonly #parts: ErasingParts;

  constructor(parts: ErasingParts) {
    this.#parts = parts;
  }

  pending(): Promise<readonly PendingErasure[]> {
    return this.#parts.erasures.pending();
  }

  /**
   * The master dataset must reach all bounds. Counts what there is, then takes it out of the master dataset and the dead letters. Gives
   * the erasures with what there was.
   */
  async takeOut(pending: readonly PendingErasure[], signal: AbortSignal): Promise<readonly FoundErasure[]> {
    const { eraser, others, alone } = this.#parts;
    const found = await alone(async () => {
      const counted = await this.#count(pending, signal);
      if (counted.some(hasFound)) await eraser.takeOut(counted, signal);
      return counted;
    });
    if (found.some(hasFound)) await others.eraseLetters(found);
    return found;
  }

  /** What was found by a run that came to no end is what there was: some of it may be gone by now. */
  async #count(pending: readonly PendingErasure[], signal: AbortSignal): Promise<readonly FoundErasure[]> {
    const { erasures, eraser, others } = this.#parts;
    const isCounted = pending.every(({ found }) => found !== undefined);
    const records = isCounted ? [] : await eraser.count(pending, signal);
    const letters = isCounted ? [] : await others.countLetters(pending);
    const all: FoundErasure[] = [];
    for (const [i, each] of pending.entries()) {
      const found = each.found ?? { records: {}, files: 0, ...records[i], deadLetters: letters[i] ?? 0 };
      if (each.found === undefined) await erasures.found(each, found);
      all.push({ ...each, found });
    }
    return all;
  }

  /** The manifests are those of all views, at the cut, and serve by now. Where nothing was found nothing has to be forgotten. */
  async finish(
    erased: readonly FoundErasure[],
    cut: Cut,
    manifests: readonly Pick<Manifest, "view" | "id">[],
  ): Promise<void> {
    const { erasures, eraser, generations, pasts, others, leavesPages } = this.#parts;
    const made = new Map(manifests.map(({ view, id }) => [view, id]));
    const withAny = erased.filter(hasFound);
    // First: what is folded anew in `forget` is to be without them. Also where nothing was found: a copy may have brought keys back.
    const keys = await others.destroyKeys(erased);
    if (withAny.length > 0) {
      const ofTypes = Object.entries(cut).filter(([topic]) => withAny.some((each) => isFoundIn(each, topic)));
      await pasts.keepOnly(new Map());
      await others.forget(Object.fromEntries(ofTypes));
      await generations.keepOnly(made);
      await eraser.removeFormer(new AbortController().signal);
    }
    for (const each of erased)
      await erasures.done(each, Object.fromEntries(made), leavesPages && (hasFound(each) || keys > 0));
  }
}

export interface FoundErasure extends PendingErasure {
  readonly found: Found;
}

/** Whether the topic may hold any of it; which one a dead letter came from is not counted. */
function isFoundIn(erased: FoundErasure, topic: string): boolean {
  const { records, deadLetters } = erased.found;
  return records[topic] !== undefined || (deadLetters > 0 && isOfType(erased, topic));
}

export function hasFound({ found }: FoundErasure): boolean {
  return found.deadLetters > 0 || Object.keys(found.records).length > 0;
}
