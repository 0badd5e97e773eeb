import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { TidemarkError } from "../../views/errors.ts";
import { viewNamePattern } from "../../views/version.ts";
import type { View } from "../../views/view.ts";
import { asidePath, makeFolder, removeAsides, replaceDurably } from "../durable.ts";
import type { Timers } from "../timers.ts";
import { watchPointers } from "../watch-pointers.ts";
import { DraftFolder, generationFiles } from "./draft.ts";
import type { GenerationDraft, GenerationReader, GenerationsWriter, Manifest } from "./generations.ts";
import { IndexReader } from "./index-reader.ts";
import { fileMark, readIfThere, readManifest } from "./manifest.ts";
import { partsOf } from "./state-parts.ts";

const idPattern = /^(?!current$)[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;
const pointerName = "current";

export interface GenerationsOptions {
  readonly root: string;
  /** How often `watch` looks at the pointers. */
  readonly pollMs?: number;
  readonly timers?: Timers;
  /** A look at the pointers failed; the next one comes as ever. */
  readonly onWatchError: (error: unknown) => void;
}

/**
 * Generations in a folder: `<root>/<view>/<id>/{manifest.json, states.parquet, states-2.parquet, …, index.mdb}`, and
 * `<root>/<view>/current`, a small file that names the one that serves. A generation appears by one rename, the pointer moves by
 * another.
 */
export class GenerationsFolder implements GenerationsWriter {
  readonly #root: string;
  readonly #options: GenerationsOptions;
  /** How many readers of this process have a generation's folder open. */
  readonly #readers = new Map<string, number>();

  private constructor(options: GenerationsOptions) {
    this.#root = options.root;
    this.#options = options;
  }

  /** For whoever only reads and points. Nothing needs to be there yet. */
  static read(options: GenerationsOptions): GenerationsFolder {
    return new GenerationsFolder(options);
  }

  /** For the one process that writes drafts: removes those that a crash left. */
  static async own(options: GenerationsOptions): Promise<GenerationsFolder> {
    await makeFolder(options.root);
    for (const entry of await readdir(options.root, { withFileTypes: true })) {
      if (entry.isDirectory()) await removeAsides(join(options.root, entry.name));
    }
    return new GenerationsFolder(options);
  }

  async list(view: string): Promise<readonly Manifest[]> {
    const manifests: Manifest[] = [];
    for (const id of await this.#ids(view)) {
      // One that is pruned meanwhile is not there any more.
      const manifest = await this.#manifest(view, id);
      if (manifest !== undefined) manifests.push(manifest);
    }
    return manifests.sort(newestFirst);
  }

  async current(view: View): Promise<Manifest | undefined> {
    for (let attempt = 0; ; attempt++) {
      const id = await this.#pointer(view.name);
      if (id === undefined) return undefined;
      const manifest = await this.#manifest(view.name, id);
      if (manifest !== undefined) return manifest.fingerprint === view.fingerprint ? manifest : undefined;
      // The pointer may have moved, and its former generation been pruned, between the two reads.
      if (attempt === 10) {
        throw new TidemarkError(
          "TIDEMARK_STORE_CORRUPT",
          `"${this.#pointerPath(view.name)}" names generation "${id}", of which there is no manifest`,
        );
      }
    }
  }

  async open(view: View, id: string): Promise<GenerationReader> {
    const manifest = await this.#require(view.name, id);
    if (manifest.fingerprint !== view.fingerprint) {
      throw new TidemarkError(
        "TIDEMARK_GENERATION_UNKNOWN",
        `generation "${id}" is of view "${view.name}" as it was declared formerly (${manifest.fingerprint}, now ${view.fingerprint}): run a batch for the present declaration`,
      );
    }
    const folder = this.#folder(view.name, id);
    const paths = {
      index: join(folder, generationFiles.index),
      states: partsOf(manifest).map(({ file }) => join(folder, file)),
    };
    const count = (step: number) => this.#readers.set(folder, (this.#readers.get(folder) ?? 0) + step);
    const reader = new IndexReader(view, manifest, paths, () => {
      if (count(-1).get(folder) === 0) this.#readers.delete(folder);
    });
    count(1);
    return reader;
  }

  async point(view: string, id: string): Promise<void> {
    await this.#require(view, id);
    await replaceDurably(this.#pointerPath(view), `${JSON.stringify({ generation: id })}\n`);
  }

  watch(views: readonly View[], changed: (view: View, current: Manifest | undefined) => void): Disposable {
    return watchPointers({
      keys: views,
      pointer: (view) => fileMark(this.#pointerPath(view.name)),
      current: (view) => this.current(view),
      idOf: ({ id }) => id,
      changed,
      failed: this.#options.onWatchError,
      pollMs: this.#options.pollMs ?? 50,
      timers: this.#options.timers ?? globalThis,
    });
  }

  async draft(view: View, id: string, base?: Manifest): Promise<GenerationDraft> {
    if (!idPattern.test(id)) {
      throw new TidemarkError(
        "TIDEMARK_STORE_CORRUPT",
        `"${id}" can't name a generation: use up to 200 letters, digits, ".", "_" and "-", and not "current"`,
      );
    }
    if ((await this.#manifest(view.name, id)) !== undefined) {
      throw new TidemarkError(
        "TIDEMARK_GENERATION_EXISTS",
        `generation "${id}" of view "${view.name}" is published already and never changes: name another`,
      );
    }
    await makeFolder(join(this.#root, view.name));
    const from = base && { folder: this.#folder(view.name, base.id), manifest: base };
    return DraftFolder.begin(this.#folder(view.name, id), view, from);
  }

  /** One that a reader of this process has open stays until a later call. */
  async prune(view: string, keep: number): Promise<void> {
    if ((await this.#ids(view)).length <= keep) return;
    await this.#remove(view, (await this.list(view)).slice(keep));
  }

  async pruneAll(keep: number, sinceMs: number): Promise<void> {
    for (const entry of await readdir(this.#root, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const manifests = await this.list(entry.name);
      const isOld = ({ createdAt }: Manifest) => Date.parse(createdAt) < sinceMs;
      await this.#remove(
        entry.name,
        manifests.filter((manifest, i) => i >= keep || isOld(manifest)),
      );
    }
  }

  async #remove(view: string, manifests: readonly Manifest[]): Promise<void> {
    const pointed = await this.#pointer(view);
    for (const { id } of manifests) {
      const folder = this.#folder(view, id);
      if (id === pointed || this.#readers.has(folder)) continue;
      const aside = asidePath(folder);
      await rename(folder, aside);
      await rm(aside, { recursive: true, force: true });
    }
  }

  /** Those that readers have open go as well: what is open can be read. */
  async keepOnly(ids: ReadonlyMap<string, string>, spared: ReadonlySet<string>): Promise<void> {
    for (const entry of await readdir(this.#root, { withFileTypes: true })) {
      if (!entry.isDirectory() || spared.has(entry.name)) continue;
      const folder = join(this.#root, entry.name);
      const kept = ids.get(entry.name);
      if (kept === undefined) {
        await rm(folder, { recursive: true, force: true });
        continue;
      }
      for (const name of await readdir(folder)) {
        if (name === kept || name === pointerName) continue;
        const aside = asidePath(join(folder, name));
        await rename(join(folder, name), aside);
        await rm(aside, { recursive: true, force: true });
      }
    }
  }

  /** In any order. */
  async #ids(view: string): Promise<readonly string[]> {
    if (!viewNamePattern.test(view)) return [];
    const names = await readdir(join(this.#root, view)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    return names.filter((name) => idPattern.test(name));
  }

  #folder(view: string, id: string): string {
    return join(this.#root, view, id);
  }

  #pointerPath(view: string): string {
    return join(this.#root, view, pointerName);
  }

  async #pointer(view: string): Promise<string | undefined> {
    const path = this.#pointerPath(view);
    const text = await readIfThere(path);
    if (text === undefined) return undefined;
    const id: unknown = (JSON.parse(text) as { generation?: unknown }).generation;
    if (typeof id === "string" && idPattern.test(id)) return id;
    throw new TidemarkError("TIDEMARK_STORE_CORRUPT", `"${path}" names no generation: ${text.slice(0, 100)}`);
  }

  #manifest(view: string, id: string): Promise<Manifest | undefined> {
    return readManifest(join(this.#folder(view, id), generationFiles.manifest));
  }

  async #require(view: string, id: string): Promise<Manifest> {
    const isName = viewNamePattern.test(view) && idPattern.test(id);
    const manifest = isName ? await this.#manifest(view, id) : undefined;
    if (manifest !== undefined) return manifest;
    const ids = (await this.list(view)).map((known) => known.id);
    throw new TidemarkError(
      "TIDEMARK_GENERATION_UNKNOWN",
      `view "${view}" has no generation "${id}"; it has ${ids.length === 0 ? "none" : ids.join(", ")}`,
    );
  }
}

export function newestFirst(a: Manifest, b: Manifest): number {
  return Date.parse(b.createdAt) - Date.parse(a.createdAt) || (a.id < b.id ? 1 : -1);
}
