import fc from "fast-check";
import type { FormerCase } from "./case.ts";
import { evolvable, partitions as partitionsOf, shape } from "./fields.ts";

const partitions = partitionsOf.first;

const floats = shape.members
  .filter(({ shape }) => shape.kind === "value" && shape.type === "number")
  .map(({ name }) => name);
const offsets = fc.array(fc.nat(12), { minLength: partitions, maxLength: partitions });

/** In how many former schemas, of those there are, a name is on a list; rarely in any. */
function spans(names: readonly string[], rarely: number) {
  const span = fc.oneof(
    { weight: rarely, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.constantFrom(1, 2) },
  );
  return fc.record(Object.fromEntries(names.map((name) => [name, span])), { noNullPrototype: true });
}

/**
 * Up to two former schemas, each narrower than the one after it, as an app may widen them: fields are added, floats were
 * integers, optional fields were required. Mostly there are none.
 */
export const formers: fc.Arbitrary<readonly FormerCase[]> = fc.oneof(
  { weight: 5, arbitrary: fc.constant([]) },
  {
    weight: 1,
    arbitrary: fc
      .record({
        ends: fc.array(fc.record({ next: offsets, archived: offsets }), { minLength: 1, maxLength: 2 }),
        undeclared: spans(evolvable, 1),
        integers: spans(floats, 3),
        required: spans(evolvable, 12),
      })
      .map(({ ends, undeclared, integers, required }) =>
        ends.map(({ archived }, i): FormerCase => {
          const after = (spans: Readonly<Record<string, number>>) =>
            Object.keys(spans).filter((name) => (spans[name] ?? 0) > i);
          // Offsets only grow from one schema to the next.
          const next = Array.from({ length: partitions }, (_, p) =>
            Math.max(...ends.slice(0, i + 1).map((end) => end.next[p] ?? 0)),
          );
          return {
            next,
            archived: next.map((end, p) => Math.min(end, archived[p] ?? 0)),
            undeclared: after(undeclared),
            integers: after(integers),
            // What is added is optional from the start.
            required: after(required).filter((name) => undeclared[name] === 0),
          };
        }),
      ),
  },
);
