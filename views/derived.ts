import { type Aggregate, defineAggregate, type Measure, type Value } from "./aggregate.ts";
import { TidemarkError } from "./errors.ts";
import { nearestDoubleSql } from "./integer.ts";
import type { Cell } from "./state.ts";

/** Arithmetic over the values of a row's measures, done when the row is shown: it has no state of its own. */
export class Derivation {
  readonly value: (cells: readonly Cell[]) => number | null;
  /** The same as `value`, as a DuckDB DOUBLE over the view's state columns; undefined where SQL can't say it. */
  readonly sql: ((columns: readonly string[]) => string) | undefined;
  /** Why the measures that it rests on are not exact. */
  readonly approximations: ReadonlySet<string>;

  constructor(value: Derivation["value"], sql: Derivation["sql"], approximations: Iterable<string>) {
    this.value = value;
    this.sql = sql;
    this.approximations = new Set(approximations);
    Object.freeze(this);
  }

  plus(other: Derivation | number): Derivation {
    return this.#with(
      other,
      (a, b) => a + b,
      (a, b) => `(${a} + ${b})`,
    );
  }

  minus(other: Derivation | number): Derivation {
    return this.#with(
      other,
      (a, b) => a - b,
      (a, b) => `(${a} - ${b})`,
    );
  }

  times(other: Derivation | number): Derivation {
    return this.#with(
      other,
      (a, b) => a * b,
      (a, b) => `(${a} * ${b})`,
    );
  }

  /** Null where the divisor is 0. */
  dividedBy(other: Derivation | number): Derivation {
    return this.#with(
      other,
      (a, b) => (b === 0 ? null : a / b),
      (a, b) => `CASE WHEN ${b} <> 0 THEN ${a} / ${b} END`,
    );
  }

  #with(
    other: Derivation | number,
    compute: (a: number, b: number) => number | null,
    computeSql: (a: string, b: string) => string,
  ): Derivation {
    if (typeof other === "number" && !Number.isFinite(other)) {
      throw new TidemarkError(
        "TIDEMARK_DECLARATION_TYPE",
        `${other} can't stand in a derived measure: give a finite number`,
      );
    }
    const second = typeof other === "number" ? () => other : other.value;
    const firstSql = this.sql;
    const secondSql = typeof other === "number" ? () => `CAST('${other}' AS DOUBLE)` : other.sql;
    return new Derivation(
      (cells) => {
        const [a, b] = [this.value(cells), second(cells)];
        return a === null || b === null ? null : compute(a, b);
      },
      firstSql && secondSql && ((columns) => computeSql(firstSql(columns), secondSql(columns))),
      [...this.approximations, ...(typeof other === "number" ? [] : other.approximations)],
    );
  }
}

/** The measures by name, to derive others from. TIDEMARK_DECLARATION_* for one that there is not, or is no number. */
export function derivations(
  view: string,
  measures: readonly Measure[],
): Readonly<Record<string, Derivation>> {
  const byName = new Map(measures.map((measure) => [measure.name, measure]));
  return new Proxy<Record<string, Derivation>>(
    {},
    {
      get(_target, name) {
        if (typeof name === "symbol") return undefined;
        const measure = byName.get(name);
        if (measure === undefined) {
          throw new TidemarkError(
            "TIDEMARK_DECLARATION_FIELD",
            `view "${view}" has no measure "${name}" to derive from; it has ${[...byName.keys()].join(", ")}`,
          );
        }
        return derivationOf(view, measure);
      },
    },
  );
}

function derivationOf(view: string, { name, aggregate, firstCell }: Measure): Derivation {
  const { type } = aggregate.value;
  if (type !== "integer" && type !== "number") {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_TYPE",
      `view "${view}": nothing can be derived from measure "${name}", a ${type}; derive from numbers`,
    );
  }
  const { approximation, presentSql } = aggregate;
  const toDouble = type === "integer" ? nearestDoubleSql : (value: string) => value;
  return new Derivation(
    (cells) => numberOf(aggregate.present(cells, firstCell)),
    presentSql && ((columns) => toDouble(presentSql(columns, firstCell))),
    approximation === undefined ? [] : [`${name}: ${approximation}`],
  );
}

function numberOf(value: Value): number | null {
  return value === null ? null : Number(value);
}

/** A derived measure as an aggregate without state: whatever shows measures shows it, whatever keeps states does not see it. */
export function derivedAggregate(derivation: Derivation): Aggregate {
  const approximation = [...derivation.approximations].join("; ");
  return defineAggregate({
    kind: "derived",
    input: undefined,
    where: undefined,
    state: [],
    ...(approximation === "" ? {} : { approximation }),
    value: { type: "number", nullable: true },
    add: () => "",
    sql: () => [],
    merge: () => undefined,
    present: derivation.value,
    ...(derivation.sql && { presentSql: derivation.sql }),
  });
}
