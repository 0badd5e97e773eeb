import { TidemarkError } from "../errors.ts";
import { type Expression, elementNode, fieldNode, type ListNode, listNode } from "../expression.ts";
import type { Field } from "../field.ts";
import { ListExpression } from "./list.ts";
import { type ExpressionOf, typed } from "./typed.ts";

/** What `by`, `where` and `measures` are given: one expression per field of the event's schema, `f.delay`, `f.ad.campaign`. */
export type Fields<Data> = { readonly [K in keyof Data]-?: FieldsIn<Exclude<Data[K], undefined>> };

export type FieldsIn<T> = [T] extends [string | number | boolean | Date]
  ? ExpressionOf<T>
  : [T] extends [readonly (infer Element)[]]
    ? ListExpression<Element>
    : [T] extends [object]
      ? Fields<T>
      : never;

/**
 * Fields by name; asking for one that the schema doesn't have throws TIDEMARK_DECLARATION_FIELD. `list`: the one whose
 * elements a view is from; its element is `item`.
 */
export function fieldExpressions<Data>(
  owner: string,
  fields: readonly Field[],
  list?: ListNode,
): Fields<Data> {
  const item = list?.fields ?? [];
  const places = [
    ...fields
      .filter(({ within }) => within === undefined)
      .map((field) => placed(field.path, fieldNode(field))),
    ...listsIn(fields).map((node) => ({ path: node.path, expression: new ListExpression(node) })),
    ...item.map((field) => placed(["item", ...(field.within?.path ?? [])], elementNode(field))),
  ];
  return below(owner, places, 0) as Fields<Data>;
}

interface Place {
  readonly path: readonly string[];
  readonly expression: Expression<unknown>;
}

function placed(path: readonly string[], node: Parameters<typeof typed>[0]): Place {
  return { path, expression: typed(node) };
}

function listsIn(fields: readonly Field[]): readonly ListNode[] {
  const paths = new Set(fields.flatMap(({ path, within }) => (within === undefined ? [] : [path])));
  return [...paths].map((path) => listNode(fields.filter((field) => field.path === path)));
}

type Below = Expression<unknown> | { readonly [name: string]: Below };

/** Of places that share the first `depth` names of their paths. */
function below(owner: string, places: readonly Place[], depth: number): Below {
  const names = [...new Set(places.map(({ path }) => path[depth] ?? ""))];
  const byName = new Map(
    names.map((name): [string, Below] => {
      const ofName = places.filter(({ path }) => path[depth] === name);
      const value = ofName.find(({ path }) => path.length === depth + 1);
      return [name, value?.expression ?? below(`${owner}, "${name}",`, ofName, depth + 1)];
    }),
  );
  return new Proxy<{ readonly [name: string]: Below }>(
    {},
    {
      get(_target, name) {
        if (typeof name === "symbol") return undefined;
        const expression = byName.get(name);
        if (expression === undefined) {
          throw new TidemarkError(
            "TIDEMARK_DECLARATION_FIELD",
            `${owner} has no field "${name}"; its fields are ${names.join(", ")}`,
          );
        }
        return expression;
      },
    },
  );
}
