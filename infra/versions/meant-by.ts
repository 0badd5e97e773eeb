import type { VersionPointer } from "./version-pointers.ts";

/**
 * The version of a family that its name means, of those that the app declares, lowest first: the one that the pointer names; if that
 * is declared no more, the one before it; otherwise the lowest. Undefined: none is declared.
 */
export function meantBy<V extends { readonly version: number }>(
  versions: readonly V[],
  pointer: VersionPointer | undefined,
): V | undefined {
  const find = (version: number | null | undefined) => versions.find((each) => each.version === version);
  return find(pointer?.active) ?? find(pointer?.former) ?? versions[0];
}
