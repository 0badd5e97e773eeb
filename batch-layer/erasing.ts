import type { Found, PendingErasure } from "../infra/erasures/erasures.ts";
import type { ErasuresFolder } from "../infra/erasures/erasures-folder.ts";
import type { GenerationsWriter, Manifest } from "../infra/generations/generations.ts";
import type { Expired } from "../infra/jobs/jobs.ts";
import type { Eraser } from "../infra/master/eraser.ts";
import type { App } from "../views/app.ts";
import { type Cut, offset } from "../views/cut.ts";
import type { EventType } from "../views/event.ts";
import { horizonOf } from "../views/retention.ts";
import { isOfType, isOld, type LeavingFacts, type OldFacts, type SubjectFacts } from "../views/subject.ts";
import type { View } from "../views/view.ts";

/** Stores that the rest of the platform has open, as an erasure needs them. */
export interface OtherStores {
  /** How many dead letters there are of each; what is of several is the first's. */
  countLetters(leaving: readonly LeavingFacts[]): Promise<readonly number[]>;
  eraseLetters(leaving: readonly LeavingFacts[]): Promise<void>;
  /** Destroys the keys with which the log holds the subjects' records, where it encrypts them; gives how many there were. */
  destroyKeys(subjects: readonly SubjectFacts[]): Promise<number>;
  /**
   * Called once the pointers name generations that were computed without the facts: nothing from before the cut, which is of the
   * event types that had any of them, is to be held any more by log, speed layer, serving layer or the queue of runs.
   */
  forget(cut: Cut): Promise<void>;
}

export interface ErasingParts {
  readonly app: Pick<App, "events" | "views">;
  readonly erasures: Pick<ErasuresFolder, "pending" | "ask" | "found" | "done">;
  readonly eraser: Eraser;
  readonly generations: Pick<GenerationsWriter, "keepOnly">;
  /** What runs have computed of the past. */
  readonly pasts: Pick<GenerationsWriter, "keepOnly">;
  readonly others: OtherStores;
  /** Whether the files of stores have free pages from before an erasure until the platform starts next. */
  readonly leavesPages: boolean;
  /** Does work while nothing is archived or compacted. */
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>;
  /**
   * Whether old facts are forgotten by `forget` as a subject's are. Where they are not, they stay for as long as a later
   * record can be a duplicate of theirs, so that nobody needs to forget them who goes on from the cut.
   */
  readonly forgetsOld: boolean;
}

/**
 * Erasures as a part of a batch run, those of facts that their type does not keep any more as well: what is asked for is
 * taken out once it is archived and before views are computed, and forgotten by everybody else once those are published.
 * Each step can be done again: a crash leaves the erasure pending.
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
   * Takes out what event types do not keep any more. That is asked for first, so that what a crash leaves half done is
   * pending; of a type without such facts nothing is. The master dataset must reach the cut.
   */
  async takeOutOld(cut: Cut, nowMs: number, signal: AbortSignal): Promise<readonly FoundErasure[]> {
    return this.takeOut(await this.#askForOld(cut, nowMs, signal), signal);
  }

  async #askForOld(cut: Cut, nowMs: number, signal: AbortSignal): Promise<readonly PendingErasure[]> {
    const { app, erasures, eraser, others } = this.#parts;
    const old = app.events.flatMap((type): readonly Omit<OldFacts, "askedAt">[] => {
      const before = horizonOf(type, nowMs);
      return before === undefined ? [] : [{ type: type.name, before, bound: this.#boundOf(type, cut) }];
    });
    if (old.length === 0) return [];
    const leaving = old.map((each) => ({ ...each, askedAt: new Date(nowMs).toISOString() }));
    const records = await eraser.count(leaving, signal);
    const letters = await others.countLetters(leaving);
    const pending: PendingErasure[] = [];
    for (const [i, each] of old.entries()) {
      const found = { records: {}, files: 0, ...records[i], deadLetters: letters[i] ?? 0 };
      if (!hasAny(found)) continue;
      const { id, askedAt } = await erasures.ask(each);
      const asked = { ...each, id, askedAt };
      await erasures.found(asked, found);
      pending.push({ ...asked, found });
    }
    return pending;
  }

  #boundOf({ name, duplicatesWithin }: EventType, cut: Cut): Cut {
    const kept = this.#parts.forgetsOld ? 0 : duplicatesWithin;
    return { [name]: (cut[name] ?? []).map((next) => offset(Math.max(0, next - kept))) };
  }

  /**
   * The master dataset must reach all bounds. Counts what there is, then takes it out of the master dataset and the dead
   * letters. Gives the erasures with what there was.
   */
  async takeOut(pending: readonly PendingErasure[], signal: AbortSignal): Promise<readonly FoundErasure[]> {
    const { eraser, others, alone } = this.#parts;
    if (pending.length === 0) return [];
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
    const { app, erasures, eraser, generations, pasts, others, leavesPages, forgetsOld } = this.#parts;
    const made = new Map(manifests.map(({ view, id }) => [view, id]));
    const withAny = erased.filter((each) => (isOld(each) ? each.found.files > 0 : hasFound(each)));
    // A subject may be in generations of a view's former declarations, of any types.
    const spared =
      withAny.length > 0 && withAny.every(isOld)
        ? app.views.filter((view) => !withAny.some((e) => isOfView(e, view)))
        : [];
    const sparedNames = new Set(spared.map(({ name }) => name));
    // First: what is folded anew in `forget` is to be without them. Also where nothing was
    // found: a copy may have brought keys back.
    const keys = await others.destroyKeys(erased.filter((each) => !isOld(each)));
    if (withAny.length > 0) {
      const forgotten = withAny.filter((each) => forgetsOld || !isOld(each));
      const ofTypes = Object.entries(cut).filter(([topic]) =>
        forgotten.some((each) => isFoundIn(each, topic)),
      );
      await pasts.keepOnly(new Map(), sparedNames);
      if (forgotten.length > 0) await others.forget(Object.fromEntries(ofTypes));
      await generations.keepOnly(made, sparedNames);
      await eraser.removeFormer(new AbortController().signal);
    }
    const without = Object.fromEntries([...made].filter(([view]) => !sparedNames.has(view)));
    for (const each of erased)
      await erasures.done(each, without, leavesPages && !isOld(each) && (hasFound(each) || keys > 0));
  }
}

export type FoundErasure = PendingErasure & { readonly found: Found };

/** Whether the topic may hold any of it; which one a dead letter came from is not counted. */
function isFoundIn(erased: FoundErasure, topic: string): boolean {
  const { records, deadLetters } = erased.found;
  return records[topic] !== undefined || (deadLetters > 0 && isOfType(erased, topic));
}

export function hasFound({ found }: FoundErasure): boolean {
  return hasAny(found);
}

function hasAny({ records, deadLetters }: Found): boolean {
  return deadLetters > 0 || Object.keys(records).length > 0;
}

/** Whether records went from which the view is. */
export function isOfView({ found }: FoundErasure, { mappings }: Pick<View, "mappings">): boolean {
  return mappings.some(({ event }) => Object.hasOwn(found.records, event.name));
}

/** What has left for its age, as the run's result says it. */
export function expiredBy(erased: readonly FoundErasure[]): readonly Expired[] {
  return erased.flatMap((each): readonly Expired[] => {
    if (!isOld(each)) return [];
    const { type, before, found } = each;
    return [{ type, before, records: found.records[type] ?? 0, deadLetters: found.deadLetters }];
  });
}
