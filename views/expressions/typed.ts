import { unreachable } from "../errors.ts";
import { callNode, Expression, type Node, type Operator } from "../expression.ts";
import { literalNode } from "../literal.ts";
import { zoneOf } from "../zone.ts";
import { divisor, place, requireInteger, unitOfDate } from "./arguments.ts";
import * as arithmetic from "./arithmetic.ts";
import { among, equal, greater, greaterOrEqual, less, lessOrEqual, notEqual } from "./compare.ts";
import { coalesce } from "./conditional.ts";
import { booleanToInteger, textToInteger, toText } from "./convert.ts";
import { lower, upper } from "./letter-case.ts";
import { and, isNull, not, or } from "./logic.ts";
import { commonType, numberType, operand } from "./operand.ts";
import * as text from "./text.ts";
import { clock, type DateUnit, date, integerToTime, parts, timeToInteger } from "./time.ts";
import { host, path } from "./url.ts";

// The classes stand in one file because each has methods that give the others.

/** What every expression can be asked, whatever its type. `Literal`: what else can stand beside it. */
abstract class Comparable<T, Literal = T> extends Expression<T> {
  eq(value: Literal | Expression<T>): BooleanExpression {
    return this.compare(equal, value);
  }

  ne(value: Literal | Expression<T>): BooleanExpression {
    return this.compare(notEqual, value);
  }

  in(...values: readonly [Literal, ...Literal[]]): BooleanExpression {
    const args = values.map((value) => literalNode(value, this.node.type));
    return new BooleanExpression(callNode(among, [this.node, ...args]));
  }

  isNull(): BooleanExpression {
    return new BooleanExpression(callNode(isNull, [this.node]));
  }

  isNotNull(): BooleanExpression {
    return this.isNull().not();
  }

  /** This, or where it is null the other. */
  coalesce(value: Literal | Expression<T>): ExpressionOf<T> {
    const other = operand(value, this.node);
    return typed(
      callNode(coalesce(commonType(this.node, other)), [this.node, other]),
    ) as unknown as ExpressionOf<T>;
  }

  protected compare(operator: Operator, value: Literal | Expression<T>): BooleanExpression {
    return new BooleanExpression(callNode(operator, [this.node, operand(value, this.node)]));
  }
}

/** What has an order: numbers their own, texts that of their code points. */
abstract class Ordered<T, Literal = T> extends Comparable<T, Literal> {
  gt(value: Literal | Expression<T>): BooleanExpression {
    return this.compare(greater(this.node.type), value);
  }

  gte(value: Literal | Expression<T>): BooleanExpression {
    return this.compare(greaterOrEqual(this.node.type), value);
  }

  lt(value: Literal | Expression<T>): BooleanExpression {
    return this.compare(less(this.node.type), value);
  }

  lte(value: Literal | Expression<T>): BooleanExpression {
    return this.compare(lessOrEqual(this.node.type), value);
  }

  /** Both bounds included, as SQL has it. */
  between(low: Literal | Expression<T>, high: Literal | Expression<T>): BooleanExpression {
    return this.gte(low).and(this.lte(high));
  }
}

/** Texts are sequences of code points. */
export class StringExpression extends Ordered<string> {
  /** Code points mapped one by one (Unicode's simple mappings), the same for every language. */
  lower(): StringExpression {
    return new StringExpression(callNode(lower, [this.node]));
  }

  upper(): StringExpression {
    return new StringExpression(callNode(upper, [this.node]));
  }

  /** How many code points. */
  length(): NumberExpression {
    return new NumberExpression(callNode(text.length, [this.node]));
  }

  /** Without the white space at both ends; line breaks and no-break spaces are white space too. */
  trim(): StringExpression {
    return new StringExpression(callNode(text.trim, [this.node]));
  }

  startsWith(value: string | Expression<string>): BooleanExpression {
    return this.compare(text.startsWith, value);
  }

  endsWith(value: string | Expression<string>): BooleanExpression {
    return this.compare(text.endsWith, value);
  }

  contains(value: string | Expression<string>): BooleanExpression {
    return this.compare(text.contains, value);
  }

  /** This and the others, one after the other; null if one of them is. */
  concat(...values: readonly (string | Expression<string>)[]): StringExpression {
    const nodes = values.map((value) => operand(value, this.node));
    return new StringExpression(nodes.reduce((all, node) => callNode(text.concat, [all, node]), this.node));
  }

  /** The n-th of the parts that the separator divides it into, from 1, or from -1 backwards; null where there is none. */
  part(separator: string, n: number): StringExpression {
    return new StringExpression(callNode(text.part, [this.node, ...place(separator, n)]));
  }

  /** Of decimal digits, with or without a sign; null for any other text and beyond ±(2^53 − 1). */
  toInteger(): NumberExpression {
    return new NumberExpression(callNode(textToInteger, [this.node]));
  }

  /** The host of an absolute URL, in lower case; null where there is none. */
  host(): StringExpression {
    return new StringExpression(callNode(host, [this.node]));
  }

  /** The path of an absolute URL, at least "/"; null for what is no such URL. */
  path(): StringExpression {
    return new StringExpression(callNode(path, [this.node]));
  }
}

/**
 * Integers and floats. Of integers, +, − and × are exact, and null beyond ±(2^53 − 1); with a float among them, they are
 * computed in doubles, and null where that is not finite.
 */
export class NumberExpression extends Ordered<number> {
  plus(value: number | Expression<number>): NumberExpression {
    return this.#compute(arithmetic.plus, value);
  }

  minus(value: number | Expression<number>): NumberExpression {
    return this.#compute(arithmetic.minus, value);
  }

  times(value: number | Expression<number>): NumberExpression {
    return this.#compute(arithmetic.times, value);
  }

  /** A float, of integers too; null where the divisor is 0. */
  dividedBy(value: number | Expression<number>): NumberExpression {
    return new NumberExpression(callNode(arithmetic.dividedBy, [this.node, operand(value, this.node)]));
  }

  /** How often the whole number n > 0 goes into this integer, rounded down, below 0 too: -1 by 10 is -1. */
  quotient(n: number): NumberExpression {
    return this.#whole(arithmetic.quotient, n);
  }

  /** What `quotient` leaves: from 0 to n − 1. */
  remainder(n: number): NumberExpression {
    return this.#whole(arithmetic.remainder, n);
  }

  negated(): NumberExpression {
    return new NumberExpression(callNode(arithmetic.negated[numberType(this.node)], [this.node]));
  }

  abs(): NumberExpression {
    return new NumberExpression(callNode(arithmetic.abs[numberType(this.node)], [this.node]));
  }

  /** The largest integer that is no greater; null beyond ±(2^53 − 1). */
  floor(): NumberExpression {
    return this.#toInteger(arithmetic.floor);
  }

  ceil(): NumberExpression {
    return this.#toInteger(arithmetic.ceil);
  }

  /** The nearest integer, of two the one further from 0; null beyond ±(2^53 − 1). */
  round(): NumberExpression {
    return this.#toInteger(arithmetic.round);
  }

  /** The digits of an integer. Of a float the layers would write different ones, so it is refused. */
  toText(): StringExpression {
    requireInteger(this.node, "toText");
    return new StringExpression(callNode(toText, [this.node]));
  }

  /** The instant so many milliseconds after 1970-01-01T00:00:00Z, of an integer; null outside of the years 1 to 9999. */
  toTime(): TimeExpression {
    requireInteger(this.node, "toTime");
    return new TimeExpression(callNode(integerToTime, [this.node]));
  }

  #compute(operators: typeof arithmetic.plus, value: number | Expression<number>): NumberExpression {
    const other = operand(value, this.node);
    const isWhole = numberType(this.node) === "integer" && other.type === "integer";
    return new NumberExpression(callNode(operators[isWhole ? "integer" : "number"], [this.node, other]));
  }

  #whole(operator: Operator, n: number): NumberExpression {
    requireInteger(this.node, operator.name);
    return new NumberExpression(callNode(operator, [this.node, divisor(operator, n)]));
  }

  #toInteger(operator: Operator): NumberExpression {
    return this.node.type === "integer" ? this : new NumberExpression(callNode(operator, [this.node]));
  }
}

export class BooleanExpression extends Comparable<boolean> {
  and(other: BooleanExpression): BooleanExpression {
    return new BooleanExpression(callNode(and, [this.node, other.node]));
  }

  or(other: BooleanExpression): BooleanExpression {
    return new BooleanExpression(callNode(or, [this.node, other.node]));
  }

  not(): BooleanExpression {
    return new BooleanExpression(callNode(not, [this.node]));
  }

  /** `true` or `false`. */
  toText(): StringExpression {
    return new StringExpression(callNode(toText, [this.node]));
  }

  /** 1 or 0. */
  toInteger(): NumberExpression {
    return new NumberExpression(callNode(booleanToInteger, [this.node]));
  }
}

/**
 * An instant. What a clock shows at it depends on the zone, an IANA name; without one it is UTC. A literal beside it is a Date,
 * or a text such as "2001-01-31T08:15:00Z".
 */
export class TimeExpression extends Ordered<Date, Date | string> {
  year(zone?: string): NumberExpression {
    return this.#part("year", zone);
  }

  /** 1 to 12. */
  month(zone?: string): NumberExpression {
    return this.#part("month", zone);
  }

  /** Of the month, from 1. */
  day(zone?: string): NumberExpression {
    return this.#part("day", zone);
  }

  /** Monday is 1, Sunday 7. */
  weekday(zone?: string): NumberExpression {
    return this.#part("weekday", zone);
  }

  /** 0 to 23. */
  hour(zone?: string): NumberExpression {
    return this.#part("hour", zone);
  }

  minute(zone?: string): NumberExpression {
    return this.#part("minute", zone);
  }

  second(zone?: string): NumberExpression {
    return this.#part("second", zone);
  }

  /** The date as a text, `2001-01-31`; with a unit, of the first day of that week (a Monday), month or year. */
  date(unit: DateUnit = "day", zone?: string): StringExpression {
    return new StringExpression(callNode(date(unitOfDate(unit)), [this.#clock(zone)]));
  }

  /** Milliseconds since 1970-01-01T00:00:00Z. */
  toInteger(): NumberExpression {
    return new NumberExpression(
      // The node of another time is that of an integer already, and views' fingerprints have it so.
      this.node.kind === "field" ? callNode(timeToInteger, [this.node]) : { ...this.node, type: "integer" },
    );
  }

  #part(name: keyof typeof parts, zone: string | undefined): NumberExpression {
    return new NumberExpression(callNode(parts[name], [this.#clock(zone)]));
  }

  #clock(zone: string | undefined): Node {
    return zone === undefined || zone === "UTC" ? this.node : callNode(clock(zoneOf(zone)), [this.node]);
  }
}

/** The expression class that goes with a field's TypeScript type. */
export type ExpressionOf<T> = [T] extends [string]
  ? StringExpression
  : [T] extends [number]
    ? NumberExpression
    : [T] extends [boolean]
      ? BooleanExpression
      : [T] extends [Date]
        ? TimeExpression
        : never;

/** The expression of a node, with the methods of its type. */
export function typed(node: Node): StringExpression | NumberExpression | BooleanExpression | TimeExpression {
  switch (node.type) {
    case "string":
      return new StringExpression(node);
    case "integer":
    case "number":
      return new NumberExpression(node);
    case "boolean":
      return new BooleanExpression(node);
    case "time":
      return new TimeExpression(node);
    default:
      return unreachable(node.type);
  }
}
