import type { VersionPointer } from "./version-pointer.ts";

type Pointed = Pick<VersionPointer, "active" | "former">;

/**
 * The version of a family that its name means, of those that the app declares, lowest first: the one that the pointer names;
 * if that is declared no more, the one before it; otherwise the lowest. Undefined: none is declared.
 */
export function meantBy<V extends { readonly version: number }>(
  versions: readonly V[],
  pointer: Pointed | undefined,
): V | undefined {
  const find = (version: number | null | undefined) => versions.find((each) => each.version === version);
  return find(pointer?.active) ?? find(pointer?.former) ?? versions[0];
}

/** The newest version that the family's name has ever meant; a policy flips to later ones alone. */
export function newestMeant(
  versions: readonly { readonly version: number }[],
  pointer: (Pointed & Pick<VersionPointer, "newest">) | undefined,
): number {
  return Math.max(pointer?.newest ?? 0, meantBy(versions, pointer)?.version ?? 0);
}
