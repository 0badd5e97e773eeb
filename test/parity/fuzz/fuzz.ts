import fc from "fast-check";
import type { Case } from "./case.ts";
import { check } from "./check.ts";
import { cases } from "./generate.ts";
import { Layers } from "./layers.ts";

export interface FuzzOptions {
  /** The same seed gives the same cases. */
  readonly seed: number;
  readonly cases: number;
  /** Once aborted, the cases that are left are passed over, those of shrinking included. */
  readonly signal?: AbortSignal;
  /** Called after each case, those of shrinking included. */
  readonly progress?: () => void;
}

/** The smallest case that was found to fail, and what disagrees in it. */
export interface Failure {
  readonly case: Case;
  readonly message: string;
}

export interface FuzzReport {
  /** How many were run, those of shrinking included. */
  readonly cases: number;
  /** Undefined: both layers and the oracle agreed on every case. */
  readonly failure: Failure | undefined;
}

/** Holds both layers and the oracle against each other on random cases. A case that fails is shrunk. */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { seed, cases: numRuns, signal, progress } = options;
  const layers = await Layers.open();
  let ran = 0;
  const property = fc.asyncProperty(cases, async (c) => {
    if (signal?.aborted === true) return;
    ran++;
    await check(layers, c);
    progress?.();
  });
  try {
    const { counterexample, errorInstance } = await fc.check(property, { seed, numRuns });
    if (counterexample === null) return { cases: ran, failure: undefined };
    const message = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
    return { cases: ran, failure: { case: counterexample[0], message } };
  } finally {
    await layers[Symbol.asyncDispose]();
  }
}
