import type { Cut, Offset } from "../../views/cut.ts";
import type { SubjectKey } from "./encrypted-event.ts";

/** Whose events have a key of their own: those of an event type under a partition key. */
export interface KeyedSubject {
  readonly topic: string;
  readonly key: string;
}

/** A subject whose facts from before an erasure go. */
export interface ErasedSubject extends KeyedSubject {
  /** By partition of the topic, the erasure's bound; undefined: the end of what was retired. */
  readonly bound: readonly Offset[] | undefined;
}

/** What is known of a key by its name: undefined if it never was here. */
export type FoundKey =
  | {
      readonly key: Uint8Array;
      /** By partition: a record from there on is as forgotten as one whose key was destroyed. Undefined: all count. */
      readonly bound?: readonly Offset[] | undefined;
    }
  | "destroyed"
  | undefined;

/** Subjects' keys as an encrypted log needs them. */
export interface LogKeys {
  /** The key of each, by its place, that events are encrypted with now. Those that are made are durable when it resolves. */
  present(subjects: readonly KeyedSubject[]): Promise<readonly SubjectKey[]>;
  /** By name, as they are from this call on, of records of the topic that were read before it. */
  findAll(topic: string, ids: ReadonlySet<string>): Promise<ReadonlyMap<string, FoundKey>>;
  /**
   * Events of the subjects that come from now on get other keys. Gives by topic where those of the former keys end; of
   * a topic that it does not name that is where the log ends now.
   */
  retire(subjects: readonly KeyedSubject[]): Promise<Cut>;
  /** Destroys the keys that were retired, as far as their bound is not beyond the erasure's, and gives how many there were. */
  destroy(subjects: readonly ErasedSubject[]): Promise<number>;
  /**
   * Where other processes retire keys at any moment: which of these are not present any more. What was appended with them may lie
   * beyond their bound.
   */
  retired?(ids: ReadonlySet<string>): Promise<ReadonlySet<string>>;
}
