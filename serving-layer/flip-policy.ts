import type { Generations } from "../infra/generations/generations.ts";
import type { ReconciledView, Run, RunResult } from "../infra/jobs/jobs.ts";
import { type FlipVerdict, readFlipVerdicts, writeFlipVerdicts } from "../infra/versions/flip-verdicts.ts";
import { meantBy, newestMeant } from "../infra/versions/meant-by.ts";
import { moveVersionPointer, readVersionPointer } from "../infra/versions/version-pointer.ts";
import { TidemarkError } from "../views/errors.ts";
import type { FlipConditions } from "../views/flip.ts";
import { familiesOf } from "../views/version.ts";
import type { View } from "../views/view.ts";
import type { Turns } from "./clock.ts";
import { diffVersions } from "./version-diff.ts";

export interface FlipPolicyParts {
  readonly views: readonly View[];
  readonly generations: Generations;
  /** Of the versions' pointers. */
  readonly root: string;
  readonly turns: Turns;
}

/** What a run was, and what it found. */
export interface JudgedRun extends Pick<Run, "id">, Pick<RunResult, "reconciliations"> {}

export interface FlippedByPolicy {
  readonly view: string;
  readonly was: number;
  readonly active: number;
  readonly why: string;
}

/**
 * What the policies of the views' versions make of a run: flips each family to the newest version whose conditions hold, and
 * notes of the others what they wait for. A version is flipped to by policy only if it is newer than all that the name has
 * ever meant, so that nothing comes back that was rolled back from. The same run again changes nothing.
 */
export async function flipByPolicy(
  parts: FlipPolicyParts,
  run: JudgedRun,
): Promise<readonly FlippedByPolicy[]> {
  const flipped: FlippedByPolicy[] = [];
  for (const [family, versions] of familiesOf(parts.views)) {
    const found = await judgeFamily(parts, family, versions, run);
    if (found !== undefined) flipped.push(found);
  }
  return flipped;
}

async function judgeFamily(
  parts: FlipPolicyParts,
  family: string,
  versions: readonly View[],
  run: JudgedRun,
): Promise<FlippedByPolicy | undefined> {
  if (versions.every(({ flip }) => flip === "manual")) return undefined;
  const pointer = await readVersionPointer(parts.root, family);
  const active = meantBy(versions, pointer);
  const newest = newestMeant(versions, pointer);
  const later = versions.filter(({ version }) => version > newest);
  const before = await readFlipVerdicts(parts.root, family);
  const verdicts: FlipVerdict[] = [];
  let flipped: FlippedByPolicy | undefined;
  for (const view of later.toReversed()) {
    if (view.flip === "manual" || active === undefined) continue;
    const verdict = await judge(parts, { view, active, when: view.flip.when }, before, run);
    if (verdict === undefined) continue;
    if (verdict.held === null && flipped === undefined) {
      const why = `${verdict.cleanRuns} runs without drift, the last of them ${run.id}`;
      const moved = await moveVersionPointer(parts.root, family, (known) =>
        known?.moves === pointer?.moves
          ? { active: view.version, former: active.version, by: "policy", why }
          : undefined,
      );
      // Else a flip by hand came in between: the next run looks at what is right then.
      if (moved?.active === view.version)
        flipped = { view: family, was: active.version, active: view.version, why };
    }
    verdicts.push(verdict);
  }
  if (verdicts.length > 0) await writeFlipVerdicts(parts.root, family, verdicts);
  return flipped;
}

interface Candidate {
  readonly view: View;
  readonly active: View;
  readonly when: FlipConditions;
}

/** Undefined: the run had nothing to say of the view, and what was known of it nobody needs. */
async function judge(
  parts: FlipPolicyParts,
  candidate: Candidate,
  verdicts: readonly FlipVerdict[],
  run: JudgedRun,
): Promise<FlipVerdict | undefined> {
  const { version, fingerprint, name } = candidate.view;
  const before = verdicts.find((each) => each.version === version && each.fingerprint === fingerprint);
  const found = run.reconciliations.find(({ view }) => view === name);
  if (found === undefined) return before;
  const cleanRuns = cleanRunsAfter(found, before);
  const held = await reasonToWait(parts, candidate, found, cleanRuns, run);
  return { version, fingerprint, cleanRuns, cut: found.cut, held };
}

function cleanRunsAfter({ cut, reconciliation }: ReconciledView, before: FlipVerdict | undefined): number {
  if (reconciliation.kind !== "compared" || reconciliation.differing > 0) return 0;
  return (before?.cleanRuns ?? 0) + (before?.cut === cut ? 0 : 1);
}

async function reasonToWait(
  { generations, turns }: FlipPolicyParts,
  { view, active, when }: Candidate,
  { reconciliation }: ReconciledView,
  cleanRuns: number,
  { id }: JudgedRun,
): Promise<string | null> {
  if ((await generations.current(view)) === undefined) return "it has no generation yet";
  if (reconciliation.kind === "not-compared")
    return `run ${id} had nothing to hold it against: ${reconciliation.reason}`;
  const { differing, keys } = reconciliation;
  if (differing > 0) return `run ${id} found drift in it: ${differing} of ${keys} keys differ`;
  if (cleanRuns < when.cleanRuns) return `${cleanRuns} of ${when.cleanRuns} runs without drift so far`;
  if (when.changedShare === null) return null;
  try {
    const { rows, cut } = await diffVersions({ generations, from: active, to: view, limit: 0 }, turns);
    const different = rows.changed + rows.added + rows.gone;
    const all = different + rows.equal;
    if (different <= when.changedShare * all) return null;
    return `${different} of ${all} rows differ from version ${active.version} at ${cut}, more than ${percent(when.changedShare)}`;
  } catch (error) {
    // That they can't be held against each other is a reason to wait as well.
    if (error instanceof TidemarkError && error.code.startsWith("TIDEMARK_VERSION_")) return error.message;
    throw error;
  }
}

function percent(share: number): string {
  return `${(share * 100).toLocaleString("en-US", { maximumSignificantDigits: 3 })} %`;
}
