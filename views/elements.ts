import { TidemarkError } from "./errors.ts";
import type { EventType, FieldsOf } from "./event.ts";
import type { ListNode, Node } from "./expression.ts";
import { fieldExpressions } from "./expressions/fields.ts";
import type { ListExpression } from "./expressions/list.ts";

/** What a view is from where each element of a list makes a row. */
export interface Elements<E extends EventType = EventType, T = unknown> {
  readonly kind: "elements";
  readonly event: E;
  readonly list: ListNode;
  /** For the compiler only. */
  readonly item?: T;
}

/**
 * `from: each(basket, (f) => f.items)`: a row for each element of an event's list, none where it is empty or missing. The
 * event's fields are there as ever, the element is `item`. Throws TIDEMARK_DECLARATION_FIELD.
 */
export function each<E extends EventType, T>(
  event: E,
  list: (fields: FieldsOf<E>) => ListExpression<T>,
): Elements<E, T> {
  const owner = `event type "${event.name}"`;
  if (event.shape.names.has("item")) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_FIELD",
      `${owner} has a field "item", and each() gives the element of a list by that name: name the field otherwise`,
    );
  }
  const chosen = list(fieldExpressions(owner, event.fields) as FieldsOf<E>) as { readonly node?: Node };
  if (chosen.node?.kind !== "list") {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_FIELD",
      `${owner}: each() is given no list; give it a field of Type.Array, as in each(basket, (f) => f.items)`,
    );
  }
  return Object.freeze({ kind: "elements", event, list: chosen.node });
}

/** What a view is from, taken apart. */
export function sourceOfView<E extends EventType | Elements>(
  from: E,
): { readonly event: EventType; readonly list: ListNode | undefined; readonly fields: FieldsOf<E> } {
  const source: EventType | Elements = from;
  const { event, list } = source.kind === "elements" ? source : { event: source, list: undefined };
  const fields = fieldExpressions(`event type "${event.name}"`, event.fields, list);
  return { event, list, fields: fields as unknown as FieldsOf<E> };
}
