import type { ListExpression } from "../../../views/expressions/list.ts";
import type { List } from "./fields.ts";
import { type OperatorEntries, type OperatorEntry, type Slot, strict } from "./operator-entry.ts";

const lists: readonly List[] = ["tags", "sizes", "levels", "seen", "flags", "items"];
const ofAll = lists.map((list): readonly Slot[] => [{ list }]);

function contains(list: List, value: Slot): OperatorEntry {
  return {
    signatures: [[{ list }, value]],
    result: "boolean",
    declared: ([a, b]) => (a as ListExpression<string>).contains(b as string),
    meant: strict(([a, b]) => (a as unknown as readonly unknown[]).some((element) => element === b)),
  };
}

/** The oracle gives a list as an array. */
export const listOperators: OperatorEntries = {
  lengthOfList: {
    signatures: ofAll,
    result: "integer",
    declared: ([a]) => (a as ListExpression<unknown>).length(),
    meant: strict(([a]) => (a as unknown as readonly unknown[]).length),
  },
  listIsNull: {
    signatures: ofAll,
    result: "boolean",
    declared: ([a]) => (a as ListExpression<unknown>).isNull(),
    meant: ([a]) => a === null,
  },
  listIsNotNull: {
    signatures: ofAll,
    result: "boolean",
    declared: ([a]) => (a as ListExpression<unknown>).isNotNull(),
    meant: ([a]) => a !== null,
  },
  tagsContain: contains("tags", "string"),
  sizesContain: contains("sizes", "number"),
  levelsContain: contains("levels", "number"),
  seenContain: contains("seen", "time"),
  flagsContain: contains("flags", "boolean"),
};
