import type { LeavingFacts, OldFacts, SubjectFacts } from "../../views/subject.ts";

/** What an erasure has found to take out. Nothing of it says whose it was. */
export interface Found {
  /** By event type, of the master dataset. */
  readonly records: Readonly<Record<string, number>>;
  readonly deadLetters: number;
  /** Files of the master dataset that held any. */
  readonly files: number;
}

/**
 * An erasure that was asked for and is not done: the only place where a subject's key is written down. One of facts
 * that are too old is asked for by a batch run, and done by it, or after a crash by the next.
 */
export type PendingErasure = LeavingFacts & {
  readonly id: string;
  /** Undefined until they are counted, which is before the first of them is taken out. */
  readonly found?: Found;
};

/** What everybody may know of an erasure. Times are RFC 3339. */
export interface Erasure {
  readonly id: string;
  readonly state: "pending" | "done";
  /** The only event type that it is of; null: all. */
  readonly type: string | null;
  /** Its facts are those that were older than it; null: those under a key. */
  readonly before: string | null;
  readonly askedAt: string;
  readonly doneAt: string | null;
  /** By event type; null while it is pending. */
  readonly records: Readonly<Record<string, number>> | null;
  readonly deadLetters: number | null;
  readonly files: number | null;
  /** By view, the generation that was the first without them. */
  readonly generations: Readonly<Record<string, string>> | null;
  /**
   * When the files of log, checkpoint, dead letters and runs were written anew, so that none of their free pages holds anything of
   * before; null: they will be when the platform starts next.
   */
  readonly compactedAt: string | null;
}

/** What is to leave, and where the log ends, or the run's cut. */
export type AskErasure = Omit<SubjectFacts, "askedAt"> | Omit<OldFacts, "askedAt">;
