import type { View } from "../../views/view.ts";
import { newestFirst } from "./folder.ts";
import type { GenerationReader, Generations, Manifest } from "./generations.ts";

type Readable = Pick<Generations, "list" | "open">;

/** All that answers as of the past can go on from: published generations, and what runs have computed of the past. */
export class KeptGenerations implements Readable {
  readonly #published: Readable;
  readonly #pasts: Readable;

  constructor(published: Readable, pasts: Readable) {
    this.#published = published;
    this.#pasts = pasts;
  }

  /** Newest first. */
  async list(view: string): Promise<readonly Manifest[]> {
    const all = [...(await this.#published.list(view)), ...(await this.#pasts.list(view))];
    return all.sort(newestFirst);
  }

  async open(view: View, id: string): Promise<GenerationReader> {
    const isOfPast = (await this.#pasts.list(view.name)).some((manifest) => manifest.id === id);
    return (isOfPast ? this.#pasts : this.#published).open(view, id);
  }
}
