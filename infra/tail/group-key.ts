import type { Scalar } from "../../views/expression.ts";
import { groupKey } from "../../views/key.ts";
import type { View } from "../../views/view.ts";
import { hashedDimensions } from "./row-bytes.ts";

/** What names a group of a view, made once to be looked up in any of its segments. */
export class GroupKey {
  readonly dimensions: readonly Scalar[];
  /** `groupKey`, for maps. */
  readonly text: string;
  #hashed: ReturnType<typeof hashedDimensions> | undefined;

  constructor({ dimensions }: View, values: readonly Scalar[]) {
    this.dimensions = values;
    this.text = groupKey(dimensions, values);
  }

  /** The dimensions as they lie in rows of bytes, and their hash. */
  get hashed(): ReturnType<typeof hashedDimensions> {
    this.#hashed ??= hashedDimensions(this.dimensions);
    return this.#hashed;
  }
}
