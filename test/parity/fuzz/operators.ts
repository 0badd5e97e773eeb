import { choiceOperators } from "./choice-operators.ts";
import { listOperators } from "./list-operators.ts";
import { logicOperators } from "./logic-operators.ts";
import { numberOperators } from "./number-operators.ts";
import type { OperatorEntries } from "./operator-entry.ts";
import { textOperators } from "./text-operators.ts";
import { timeOperators } from "./time-operators.ts";

/** Every operator. A new one is one entry there: cases with it are generated, and the oracle knows what it means. */
export const operators: OperatorEntries = {
  ...logicOperators,
  ...numberOperators,
  ...textOperators,
  ...choiceOperators,
  ...timeOperators,
  ...listOperators,
};
