import type { Cut } from "./cut.ts";

/** Whose facts are meant: the events of a partition key, of one type or of all. */
export interface Subject {
  readonly key: string;
  /** Null: of every type. */
  readonly type: string | null;
}

/** The facts of a subject as far as they were there when somebody asked for their erasure: records before the bound. */
export interface SubjectFacts extends Subject {
  readonly bound: Cut;
  /** When that was, RFC 3339. What never had a place in the log counts by this. */
  readonly askedAt: string;
}

export function isOfType({ type }: Pick<Subject, "type">, name: string): boolean {
  return type === null || type === name;
}
