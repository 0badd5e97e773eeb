import { TidemarkError } from "../errors.ts";
import { callNode, Expression, type Node } from "../expression.ts";
import { zoneOf } from "../zone.ts";
import { clock, type DateUnit, date, parts } from "./time.ts";
import { NumberExpression, StringExpression } from "./typed.ts";

const dateUnits: ReadonlySet<string> = new Set<DateUnit>(["day", "week", "month", "year"]);

/** An instant. What a clock shows at it depends on the zone, an IANA name; without one it is UTC. */
export class TimeExpression extends Expression<Date> {
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
    if (!dateUnits.has(unit)) {
      throw new TidemarkError(
        "TIDEMARK_DECLARATION_TYPE",
        `date("${unit}"): the unit is one of ${[...dateUnits].join(", ")}`,
      );
    }
    return new StringExpression(callNode(date(unit), [this.#clock(zone)]));
  }

  /** Milliseconds since 1970-01-01T00:00:00Z. */
  toInteger(): NumberExpression {
    return new NumberExpression(this.node);
  }

  #part(name: keyof typeof parts, zone: string | undefined): NumberExpression {
    return new NumberExpression(callNode(parts[name], [this.#clock(zone)]));
  }

  #clock(zone: string | undefined): Node {
    return zone === undefined || zone === "UTC" ? this.node : callNode(clock(zoneOf(zone)), [this.node]);
  }
}

/** The event's own time, which its window goes by too. */
export function eventTime(): TimeExpression {
  return new TimeExpression({ kind: "eventTime", type: "integer", nullable: false });
}
