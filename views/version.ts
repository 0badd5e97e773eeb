import type { View } from "./view.ts";

/**
 * The versions of a view are views of their own. What they share is the name that each is declared by, their family: version 1 of
 * "delays" is called "delays" in every store, version 2 "delays@2". Those who ask say "delays" and mean the version that a
 * pointer names, or say "delays@1" and mean exactly that one.
 */

type Versioned = Pick<View, "family" | "version">;

export const greatestVersion = 9_999;

/** What a family is called, and an app. */
export const familyPattern = /^[a-z][a-z0-9-]{0,99}$/;
/** What a view is called in stores: no version 1. */
export const viewNamePattern = /^[a-z][a-z0-9-]{0,99}(?:@(?:[2-9]|[1-9]\d{1,3}))?$/;

/** As types have it: a view is called by its name alone unless it is a later version. */
export type VersionedName<Name extends string, Version extends number> = Version extends 1
  ? Name
  : `${Name}@${Version}`;

/** The name in stores. */
export function viewName(family: string, version: number): string {
  return version === 1 ? family : `${family}@${version}`;
}

/** The family of a view that is called so in stores. */
export function familyOf(name: string): string {
  return name.replace(/@.*$/, "");
}

/** The name that means this version and no other, whatever is active. */
export function exactName({ family, version }: Versioned): string {
  return `${family}@${version}`;
}

/**
 * Whether the view is answered only once it has a generation. A first version may be answered from the tail alone; until a
 * later one is built from all of the past, the one before it answers, and the speed layer need not read the past for it.
 * What batch runs alone compute always needs one, and what they do not compute never does.
 */
export function needsGeneration({ version, layers }: Pick<View, "version" | "layers">): boolean {
  return layers === "batch" || (layers === "both" && version > 1);
}

/** The versions of each family, lowest first. */
export function familiesOf<V extends Versioned>(views: readonly V[]): ReadonlyMap<string, readonly V[]> {
  const families = new Map<string, V[]>();
  for (const view of views) families.set(view.family, [...(families.get(view.family) ?? []), view]);
  for (const versions of families.values()) versions.sort((a, b) => a.version - b.version);
  return families;
}

/** Every name that some of the views can be asked by: exact ones where a family is of more than one plain version. */
export function namesOf(views: readonly Versioned[]): readonly string[] {
  return [...familiesOf(views)].flatMap(([family, versions]) => {
    const isPlain = versions.length === 1 && versions[0]?.version === 1;
    return isPlain ? [family] : [family, ...versions.map(exactName)];
  });
}
