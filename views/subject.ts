import type { Cut } from "./cut.ts";

/** Whose facts are meant: the events of a partition key, of one type or of all. */
export interface Subject {
  readonly key: string;
  /** Null: of every type. */
  readonly type: string | null;
}

/** Of the facts that are meant only those that were there when it was asked for. */
interface Asked {
  /** Records before it. */
  readonly bound: Cut;
  /** When it was asked for, RFC 3339. What never had a place in the log counts by this. */
  readonly askedAt: string;
}

/** The facts of a subject as far as they were there when somebody asked for their erasure. */
export interface SubjectFacts extends Subject, Asked {
  readonly before?: never;
}

/** The facts of a type that it does not keep any more. */
export interface OldFacts extends Asked {
  readonly type: string;
  /** Their event time is before it, RFC 3339; a dead letter was received before it. */
  readonly before: string;
}

/** Facts that are to leave the platform. */
export type LeavingFacts = SubjectFacts | OldFacts;

export function isOld(facts: LeavingFacts): facts is OldFacts {
  return facts.before !== undefined;
}

export function isOfType({ type }: Pick<Subject, "type">, name: string): boolean {
  return type === null || type === name;
}
