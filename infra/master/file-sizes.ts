import { stat } from "node:fs/promises";
import type { Master, Place } from "./master.ts";

export interface FileSizes {
  readonly files: number;
  readonly bytes: number;
}

export type SizesByPlace = Readonly<Record<Place, FileSizes>>;

/** How many files of a topic there are in each folder, and what they take. Files never change: each is looked at once. */
export class PlaceSizes {
  readonly #master: Pick<Master, "files">;
  /** By topic, then by path. */
  readonly #bytes = new Map<string, ReadonlyMap<string, number>>();

  constructor(master: Pick<Master, "files">) {
    this.#master = master;
  }

  async of(topic: string): Promise<SizesByPlace> {
    const sizes = { hot: { files: 0, bytes: 0 }, cold: { files: 0, bytes: 0 } };
    const known = this.#bytes.get(topic);
    const all = new Map<string, number>();
    for (const { path, isCold } of await this.#master.files(topic)) {
      const bytes = known?.get(path) ?? (await stat(path)).size;
      all.set(path, bytes);
      const place = sizes[isCold ? "cold" : "hot"];
      place.files++;
      place.bytes += bytes;
    }
    this.#bytes.set(topic, all);
    return sizes;
  }
}

export function sumOfSizes(sizes: readonly SizesByPlace[]): SizesByPlace {
  const sum = (place: Place) => ({
    files: sizes.reduce((files, each) => files + each[place].files, 0),
    bytes: sizes.reduce((bytes, each) => bytes + each[place].bytes, 0),
  });
  return { hot: sum("hot"), cold: sum("cold") };
}
