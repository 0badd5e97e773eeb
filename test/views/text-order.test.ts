import fc from "fast-check";
import { expect, test } from "vitest";
import { afterPrefix, compareText } from "../../views/text-order.ts";

const point = fc.constantFrom("a", "b", "\0", "\ud7ff", "\ue000", "\uffff", "😀", "\u{10ffff}");
const text = fc.array(point, { maxLength: 4 }).map((points) => points.join(""));

test("what begins with a text is what lies from it on and before the text after it", () => {
  fc.assert(
    fc.property(text, text, (prefix, other) => {
      const end = afterPrefix(prefix);
      const isIn = compareText(other, prefix) >= 0 && (end === undefined || compareText(other, end) < 0);
      expect(isIn).toBe(other.startsWith(prefix));
    }),
    { numRuns: 2_000 },
  );
});
