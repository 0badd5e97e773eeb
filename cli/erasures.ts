import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import type { OtherStores } from "../batch-layer/erasing.ts";
import type { LmdbDeadLetters } from "../infra/dead-letters/lmdb-dead-letters.ts";
import type { LogDeadLetters } from "../infra/dead-letters/log-dead-letters.ts";
import type { Declarations } from "../infra/declarations/declarations.ts";
import { ErasuresFolder } from "../infra/erasures/erasures-folder.ts";
import { isLetterOf, typesByName } from "../infra/erasures/letter-of-subject.ts";
import { rewriteLmdb } from "../infra/lmdb-rewrite.ts";
import type { App } from "../views/app.ts";
import { type Cut, offset } from "../views/cut.ts";
import type { dataFolder } from "./data-folder.ts";

export function openErasures(root: string): ErasuresFolder {
  return new ErasuresFolder({ root, clock: Date.now, newMark: () => randomBytes(3).toString("hex") });
}

/** Event types that the folder has facts of and the app does not declare: what these are of can't be said. */
export function undeclaredTypes({ events }: App, { types }: Declarations): readonly string[] {
  return [...types.keys()].filter((name) => !events.some((type) => type.name === name));
}

/** Dead letters, as an erasure needs them. */
export function erasableLetters(
  app: App,
  letters: LmdbDeadLetters | LogDeadLetters,
): Pick<OtherStores, "countLetters" | "eraseLetters"> {
  const types = typesByName(app);
  return {
    countLetters: async (subjects) => {
      const counts: number[] = [];
      for (const [i, subject] of subjects.entries()) {
        const former = subjects.slice(0, i);
        counts.push(
          await letters.countOf(
            (letter) =>
              isLetterOf(subject, letter, types) && !former.some((each) => isLetterOf(each, letter, types)),
          ),
        );
      }
      return counts;
    },
    eraseLetters: (subjects) =>
      letters.erase((letter) => subjects.some((subject) => isLetterOf(subject, letter, types))),
  };
}

/**
 * As far as the log is to let go of records in an erasure: where they are encrypted it keeps them, since
 * those that are erased can't be read any more.
 */
export function legible(cut: Cut, { types }: Declarations): Cut {
  return Object.fromEntries(
    Object.entries(cut).map(([topic, nexts]) => {
      const encryptedFrom = types.get(topic)?.encryptedFrom;
      if (encryptedFrom === undefined) return [topic, nexts];
      return [topic, nexts.map((next, partition) => offset(Math.min(next, encryptedFrom[partition] ?? 0)))];
    }),
  );
}

/**
 * After erasures: writes the files of all LMDB stores anew, so that none has anything of before in its free pages, and
 * empties the folder for what is spilled. Only for who owns the data folder, before any store is opened.
 */
export async function compactStores(folder: ReturnType<typeof dataFolder>): Promise<void> {
  const erasures = openErasures(folder.erasures);
  if (!(await erasures.needsCompaction())) return;
  for (const store of [folder.log, folder.tail, folder.jobs, folder.subjectKeys])
    await rewriteLmdb(store, { named: true });
  await rewriteLmdb(folder.deadLetters, { named: false });
  await rm(folder.scratch, { recursive: true, force: true });
  await erasures.compacted();
}
