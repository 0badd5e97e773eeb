import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { TidemarkError } from "../../views/errors.ts";
import { familyPattern, greatestVersion } from "../../views/version.ts";
import { createDurably, makeFolder } from "../durable.ts";
import { readIfThere } from "../generations/manifest.ts";

/** Which version of a family its name means, and since when. */
export interface VersionPointer {
  /** How often it was moved, from 1: the name of the file that says so. */
  readonly moves: number;
  readonly active: number;
  /** The one before it; null: there was none. */
  readonly former: number | null;
  /** The newest that it has ever named. */
  readonly newest: number;
  /** RFC 3339. */
  readonly at: string;
  /** Who moved it: somebody who asked for it, or the version's own policy. */
  readonly by: "hand" | "policy";
  /** What the policy went by. */
  readonly why: string | null;
}

/** Where a pointer is to lead; by hand if nothing is said. */
export type Moved = Pick<VersionPointer, "active" | "former"> & Partial<Pick<VersionPointer, "by" | "why">>;

/**
 * A family's pointer is a folder `<root>/<family>` with a file for each move, `1.json`, `2.json`, …, each made in one step by
 * whoever is first: of two that move it at the same time, in whatever processes, the second sees what the first has done.
 * The last one counts; the others are its history. Gives how many there are.
 */
export async function numberOfMoves(root: string, family: string): Promise<number> {
  const names = await readdir(folderOf(root, family)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return names.reduce((most, name) => Math.max(most, Number(/^([1-9]\d*)\.json$/.exec(name)?.[1] ?? 0)), 0);
}

/** What the pointer says now; undefined: it was never moved. Throws TIDEMARK_STORE_CORRUPT for what is no pointer. */
export async function readVersionPointer(root: string, family: string): Promise<VersionPointer | undefined> {
  const moves = await numberOfMoves(root, family);
  if (moves === 0) return undefined;
  const path = pathOf(root, family, moves);
  const text = (await readIfThere(path)) ?? "";
  const found = parse(text);
  if (found !== undefined) return { moves, ...found };
  throw new TidemarkError(
    "TIDEMARK_STORE_CORRUPT",
    `"${path}" names no version of a view: ${text.slice(0, 100)}; it must be as ${JSON.stringify(example)}`,
  );
}

/**
 * Moves the family's pointer to what `next` makes of it; where that is the same, or undefined, it stays. `next` is asked again if
 * another has moved it meanwhile. Resolves once the move is durable, with what the pointer
 * then says. What `next` throws, this throws.
 */
export async function moveVersionPointer(
  root: string,
  family: string,
  next: (known: VersionPointer | undefined) => Moved | undefined,
  clock: () => number = Date.now,
): Promise<VersionPointer | undefined> {
  await makeFolder(folderOf(root, family));
  for (;;) {
    const known = await readVersionPointer(root, family);
    const moved = next(known);
    if (moved === undefined || (moved.active === known?.active && moved.former === known.former))
      return known;
    const { active, former, by = "hand", why = null } = moved;
    const newest = Math.max(known?.newest ?? 0, active, former ?? 0);
    const said = { active, former, newest, at: new Date(clock()).toISOString(), by, why };
    const moves = (known?.moves ?? 0) + 1;
    if (await createDurably(pathOf(root, family, moves), `${JSON.stringify(said)}\n`))
      return { moves, ...said };
  }
}

const example = {
  ...{ active: 2, former: 1, newest: 2, at: "2024-05-01T12:00:00.000Z", by: "hand", why: null },
} satisfies Omit<VersionPointer, "moves">;

/** Where what concerns a family's versions is kept. */
export function folderOf(root: string, family: string): string {
  if (!familyPattern.test(family)) throw new Error(`"${family}" names no family of versions`);
  return join(root, family);
}

function pathOf(root: string, family: string, moves: number): string {
  return join(folderOf(root, family), `${moves}.json`);
}

function parse(text: string): Omit<VersionPointer, "moves"> | undefined {
  try {
    const said = JSON.parse(text) as Omit<VersionPointer, "moves">;
    const { active, former, newest, at, by, why } = said;
    const isSound =
      [active, newest].every(isVersion) &&
      (former === null || isVersion(former)) &&
      !Number.isNaN(Date.parse(at)) &&
      (by === "hand" || by === "policy") &&
      (why === null || typeof why === "string");
    return isSound ? { active, former, newest, at, by, why } : undefined;
  } catch {
    return undefined;
  }
}

function isVersion(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= greatestVersion;
}
