import { access, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TidemarkError } from "../../views/errors.ts";
import type { Cell, StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import { asidePath, moveDurably } from "../durable.ts";
import type { GenerationDraft, Manifest } from "./generations.ts";
import { IndexWriter } from "./index-writer.ts";
import { formatManifest } from "./manifest.ts";

/** The files of a generation, in its folder or in that of its draft. */
export const generationFiles = {
  manifest: "manifest.json",
  states: "states.parquet",
  index: "index.mdb",
} as const;

/** A generation that is being written in a folder aside; one rename publishes it. */
export class DraftFolder implements GenerationDraft {
  readonly statesPath: string;
  readonly #aside: string;
  readonly #path: string;
  readonly #view: View;
  readonly #index: IndexWriter;
  #state: "open" | "closed" = "open";

  private constructor(aside: string, path: string, view: View) {
    this.statesPath = join(aside, generationFiles.states);
    this.#aside = aside;
    this.#path = path;
    this.#view = view;
    this.#index = new IndexWriter(join(aside, generationFiles.index), view);
  }

  /** `path` is where the generation will stand. */
  static async begin(path: string, view: View): Promise<DraftFolder> {
    const aside = asidePath(path);
    await mkdir(aside);
    return new DraftFolder(aside, path, view);
  }

  add(row: StateRow): void {
    this.#index.add(row);
  }

  addDrift(row: Omit<StateRow, "cells"> & { readonly cells: readonly Cell[] | null }): void {
    this.#index.addDrift(row);
  }

  async publish(manifest: Manifest): Promise<void> {
    await this.#close();
    this.#requireTrue(manifest);
    await access(this.statesPath);
    await writeFile(join(this.#aside, generationFiles.manifest), formatManifest(manifest));
    // A folder that is there already makes the rename fail: what is published never changes.
    await moveDurably(this.#aside, this.#path);
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
    const isSame =
      manifest.rows === rows &&
      manifest.panes?.first === panes?.first &&
      manifest.panes?.last === panes?.last &&
      manifest.view === this.#view.name &&
      manifest.fingerprint === this.#view.fingerprint;
    if (isSame) return;
    throw new TidemarkError(
      "TIDEMARK_STORE_CORRUPT",
      `the manifest of generation "${manifest.id}" of view "${this.#view.name}" says ${manifest.rows} rows in panes ${JSON.stringify(manifest.panes)}, view "${manifest.view}" as ${manifest.fingerprint}; what was added is ${rows} rows in panes ${JSON.stringify(panes)} of the view as ${this.#view.fingerprint}`,
    );
  }
}
