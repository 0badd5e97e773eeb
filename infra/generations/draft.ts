import { access, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TidemarkError } from "../../views/errors.ts";
import type { Scalar } from "../../views/expression.ts";
import type { Cell, StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import { asidePath, moveDurably } from "../durable.ts";
import type { GenerationDraft, Manifest } from "./generations.ts";
import { IndexWriter } from "./index-writer.ts";
import { formatManifest } from "./manifest.ts";
import { copyAll, linkOrCopy, partsOf, type StatesPart } from "./state-parts.ts";

/** The files of a generation besides its states, in its folder or in that of its draft. */
export const generationFiles = { manifest: "manifest.json", index: "index.mdb" } as const;

/** A generation that another goes on from. */
export interface DraftBase {
  readonly folder: string;
  readonly manifest: Manifest;
}

/** A generation that is being written in a folder aside; one rename publishes it. */
export class DraftFolder implements GenerationDraft {
  readonly #aside: string;
  readonly #path: string;
  readonly #view: View;
  readonly #base: DraftBase | undefined;
  readonly #index: IndexWriter;
  /** Files that are the base's own, by another name. */
  readonly #linked = new Set<string>();
  #state: "open" | "closed" = "open";

  private constructor(aside: string, path: string, view: View, base: DraftBase | undefined) {
    this.#aside = aside;
    this.#path = path;
    this.#view = view;
    this.#base = base;
    this.#index = new IndexWriter(join(aside, generationFiles.index), view, base?.manifest);
  }

  /** `path` is where the generation will stand. */
  static async begin(path: string, view: View, base?: DraftBase): Promise<DraftFolder> {
    const aside = asidePath(path);
    await mkdir(aside);
    try {
      const { index } = generationFiles;
      if (base !== undefined) await fromBase(base, index, copyAll, join(aside, index));
      return new DraftFolder(aside, path, view, base);
    } catch (error) {
      await rm(aside, { recursive: true, force: true });
      throw error;
    }
  }

  pathOf(file: string): string {
    return join(this.#aside, file);
  }

  basePathOf({ file }: StatesPart): string {
    return join(this.#base?.folder ?? "", file);
  }

  async keep({ file }: StatesPart): Promise<void> {
    if (this.#base === undefined) throw new Error("a generation without a base has no parts to keep");
    const how = await fromBase(this.#base, file, linkOrCopy, this.pathOf(file));
    if (how === "link") this.#linked.add(file);
  }

  add(row: StateRow): void {
    this.#index.add(row);
  }

  baseCells(dimensions: readonly Scalar[], pane: number): readonly Cell[] | undefined {
    return this.#index.baseCells(dimensions, pane);
  }

  addDrift(row: Omit<StateRow, "cells"> & { readonly cells: readonly Cell[] | null }): void {
    this.#index.addDrift(row);
  }

  flush(): void {
    this.#index.flush();
  }

  async publish(manifest: Manifest): Promise<void> {
    await this.#close();
    this.#requireTrue(manifest);
    for (const { file } of partsOf(manifest)) await access(this.pathOf(file));
    await writeFile(join(this.#aside, generationFiles.manifest), formatManifest(manifest));
    // A folder that is there already makes the rename fail: what is published never changes.
    await moveDurably(this.#aside, this.#path, this.#linked);
  }

  async discard(): Promise<void> {
    await this.#close();
    await rm(this.#aside, { recursive: true, force: true });
  }

  async #close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    await this.#index.close();
  }

  /** Readers go by the manifest's rows and panes. */
  #requireTrue(manifest: Manifest): void {
    const { rows, panes } = this.#index;
    const stated = partsOf(manifest).reduce((sum, part) => sum + part.rows, 0);
    const isSame =
      manifest.rows === rows &&
      stated === rows &&
      manifest.panes?.first === panes?.first &&
      manifest.panes?.last === panes?.last &&
      manifest.view === this.#view.name &&
      manifest.fingerprint === this.#view.fingerprint;
    if (isSame) return;
    throw new TidemarkError(
      "TIDEMARK_STORE_CORRUPT",
      `the manifest of generation "${manifest.id}" of view "${this.#view.name}" says ${manifest.rows} rows (${stated} in its parts) in panes ${JSON.stringify(manifest.panes)}, view "${manifest.view}" as ${manifest.fingerprint}; what was added is ${rows} rows in panes ${JSON.stringify(panes)} of the view as ${this.#view.fingerprint}`,
    );
  }
}

async function fromBase<How>(
  { folder, manifest: { id, view } }: DraftBase,
  file: string,
  take: (from: string, to: string) => Promise<How>,
  to: string,
): Promise<How> {
  try {
    return await take(join(folder, file), to);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    throw new TidemarkError("TIDEMARK_STORE_CORRUPT", `generation "${id}" of view "${view}" has no ${file}`, {
      cause,
    });
  }
}
