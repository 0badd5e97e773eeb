import { readFlipVerdicts } from "../infra/versions/flip-verdicts.ts";
import { meantBy, newestMeant } from "../infra/versions/meant-by.ts";
import type { Moved, VersionPointer } from "../infra/versions/version-pointer.ts";
import type { VersionPointers } from "../infra/versions/version-pointers.ts";
import { TidemarkError } from "../views/errors.ts";
import { exactName, familiesOf } from "../views/version.ts";
import type { View } from "../views/view.ts";

export interface VersionsParts {
  readonly views: readonly View[];
  /** Undefined: each name means the lowest version of it, for good. */
  readonly pointers: VersionPointers | undefined;
  /** Told of a pointer to a version that the app declares no more. */
  readonly warn: (message: string) => void;
}

/** What became of a flip. */
export interface Flipped {
  readonly was: number;
  readonly active: number;
  /** Where a rollback leads. */
  readonly former: number | null;
}

/** What names mean: `delays@2` a version, `delays` the active one of its versions. */
export class Versions implements Disposable {
  readonly #parts: VersionsParts;
  readonly #families: ReadonlyMap<string, readonly View[]>;
  /** By every name, as of now. */
  readonly #named = new Map<string, View>();
  readonly #displaced = new Map<string, string>();
  readonly #listeners = new Set<(family: string) => void>();
  readonly #moves: Disposable | undefined;

  constructor(parts: VersionsParts) {
    this.#parts = parts;
    this.#families = familiesOf(parts.views);
    for (const view of parts.views) this.#named.set(exactName(view), view);
    for (const family of this.#families.keys()) this.#point(family);
    this.#moves = parts.pointers?.onMove((family) => {
      this.#point(family);
      for (const listener of [...this.#listeners]) listener(family);
    });
  }

  /** The view that the name means now. */
  find(name: string): View | undefined {
    return this.#named.get(name);
  }

  /** All versions of the view's family that are declared, lowest first. */
  of({ family }: View): readonly View[] {
    return this.#families.get(family) ?? [];
  }

  /** The name that means this version, whichever is active. */
  nameOf(view: View): string {
    return this.of(view).length > 1 ? exactName(view) : view.name;
  }

  isActive(view: View): boolean {
    return this.#named.get(view.family) === view;
  }

  /** Of each name that means another version than its pointer says, why. */
  get displaced(): readonly string[] {
    return [...this.#displaced.values()];
  }

  /** The version that a rollback leads to. */
  former(view: View): number | null {
    return this.flipped(view)?.former ?? null;
  }

  /** The last flip of the view's family; undefined: there was none. */
  flipped({ family }: View): VersionPointer | undefined {
    return this.#parts.pointers?.known(family);
  }

  /** Why the view's policy has not flipped to it; null where it has none, or is active. */
  async held(view: View): Promise<string | null> {
    const { pointers } = this.#parts;
    if (view.flip === "manual" || this.isActive(view) || pointers === undefined) return null;
    const newest = newestMeant(this.of(view), this.flipped(view));
    if (view.version === newest) return "it was active before, and only a flip by hand leads back to it";
    if (view.version < newest)
      return `version ${newest} was active, and the policy leads to later ones alone`;
    const verdict = (await readFlipVerdicts(pointers.root, view.family)).find(
      ({ version, fingerprint }) => version === view.version && fingerprint === view.fingerprint,
    );
    return verdict?.held ?? "no batch run has looked at it yet";
  }

  /** That version of the view's family. Throws TIDEMARK_VERSION_UNKNOWN. */
  version(of: View, version: number): View {
    const found = this.of(of).find((each) => each.version === version);
    if (found !== undefined) return found;
    const declared = this.of(of).map((each) => each.version);
    throw new TidemarkError(
      "TIDEMARK_VERSION_UNKNOWN",
      `view "${of.family}" has no version ${version}; the app declares ${declared.join(", ")}`,
    );
  }

  /** Lets the family's name mean this version, durably. The same again changes nothing. */
  activate(view: View): Promise<Flipped> {
    return this.#move(view, (known, was) => {
      const isMeant = known === undefined ? was === view.version : known.active === view.version;
      if (isMeant) return known;
      return { active: view.version, former: was === view.version ? null : was };
    });
  }

  /** Where a rollback of the view's family leads. Throws TIDEMARK_VERSION_NONE_BEFORE, or _UNKNOWN if it is declared no more. */
  before(view: View): View {
    const former = this.former(view);
    if (former !== null) return this.version(view, former);
    throw new TidemarkError(
      "TIDEMARK_VERSION_NONE_BEFORE",
      `view "${view.family}" was never flipped: there is no version to roll back to`,
    );
  }

  /** Calls back with the family whose name may mean another version from now on. */
  onMove(listener: (family: string) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  [Symbol.dispose](): void {
    this.#moves?.[Symbol.dispose]();
  }

  async #move(
    { family }: View,
    next: (known: VersionPointer | undefined, was: number) => Moved | undefined,
  ): Promise<Flipped> {
    const { pointers } = this.#parts;
    const versions = this.#families.get(family) ?? [];
    if (pointers === undefined) throw new Error("nothing keeps which version is active");
    let was = 0;
    await pointers.move(family, (known) => {
      was = meantBy(versions, known)?.version ?? 0;
      return next(known, was);
    });
    const pointer = pointers.known(family);
    return { was, active: meantBy(versions, pointer)?.version ?? was, former: pointer?.former ?? null };
  }

  #point(family: string): void {
    const pointer = this.#parts.pointers?.known(family);
    const versions = this.#families.get(family) ?? [];
    const meant = meantBy(versions, pointer);
    if (meant === undefined) return;
    this.#named.set(family, meant);
    this.#displaced.delete(family);
    if (pointer === undefined || pointer.active === meant.version) return;
    const what = `view "${family}" was flipped to version ${pointer.active}, which this app does not declare: version ${meant.version} answers in its place; declare version ${pointer.active} again, or flip to one that there is`;
    this.#displaced.set(family, what);
    this.#parts.warn(what);
  }
}
