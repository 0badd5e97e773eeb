import type { GenerationReader, Manifest } from "../infra/generations/generations.ts";
import type { Cell } from "../views/state.ts";
import type { Group, Plan } from "./plan.ts";

type Known = Map<string, readonly Cell[] | undefined>;

/** Gives the state of a group by its key, `plan.keyOf`; undefined where the generation has none. */
export type BaseOf = (key: string, group: Group) => readonly Cell[] | undefined;

/** Groups of one generation that are remembered at most. */
const most = 200_000;

/**
 * What generations hold of groups that the tail has a part in, each looked up once: events that
 * come in touch the same groups over and over.
 */
export class BaseStates {
  /** By generation, then by the order in which dimensions stand in keys. */
  readonly #known = new WeakMap<Manifest, Map<string, Known>>();

  /** The plan's groups must be rows as they are stored. */
  of({ query }: Plan, reader: Pick<GenerationReader, "manifest" | "group">): BaseOf {
    const byOrder = this.#known.get(reader.manifest) ?? new Map<string, Known>();
    this.#known.set(reader.manifest, byOrder);
    const order = query.groupBy.join();
    const known: Known = byOrder.get(order) ?? new Map();
    byOrder.set(order, known);
    return (key, { dimensions, pane }) => {
      const cells = known.get(key);
      if (cells !== undefined || known.has(key)) return cells;
      const [row] = reader.group(dimensions, pane, pane + 1);
      if (known.size >= most) known.clear();
      known.set(key, row?.cells);
      return row?.cells;
    };
  }
}
