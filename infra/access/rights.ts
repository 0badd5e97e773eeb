import { TidemarkError } from "../../views/errors.ts";
import type { Scalar } from "../../views/expression.ts";

export const permissions = ["ingest", "query", "operate", "metrics"] as const;

/** "ingest" sends events, "query" reads, "operate" starts, stops, rolls back and replays, "metrics" reads /metrics alone. */
export type Permission = (typeof permissions)[number];

/** What a route needs: what it says, else "query" to read and "operate" to change. */
export function permissionFor(method: string, said: Permission | undefined): Permission {
  return said ?? (method === "GET" || method === "HEAD" ? "query" : "operate");
}

/** What a role, or a key, is allowed, as the file of TIDEMARK_ACCESS says it. */
export interface Rule {
  readonly permissions: readonly Permission[];
  /** That may be read; undefined: every view. */
  readonly views?: readonly string[];
  /** By dimension, what its values must be: a value, several, or `$claim.NAME`, that of the token's claim. */
  readonly rowFilter?: Readonly<Record<string, FilterValue | readonly FilterValue[]>>;
  readonly requestsPerSecond?: number;
}

type FilterValue = Exclude<Scalar, null>;

/** Claims of a token, or what stands for them. */
export type Claims = Readonly<Record<string, unknown>>;

/** A caller that is known, and what it may do. */
export interface Access {
  /** For people and logs, never secret: `key shop`, `token alice`. */
  readonly name: string;
  readonly permissions: ReadonlySet<Permission>;
  /** That may be read; undefined: every view. */
  readonly views: ReadonlySet<string> | undefined;
  /** By dimension, the values whose rows may be seen; of none, no row. Without an entry, every row. */
  readonly rowFilter: ReadonlyMap<string, ReadonlySet<Scalar>>;
  /** Empty for who sees everything; else equal exactly for callers who see the same: a part of the key of whatever is kept. */
  readonly scope: string;
  readonly requestsPerSecond: number | undefined;
  /** Epoch milliseconds from which it is good no more; undefined: it stays. */
  readonly untilMs?: number;
}

/** What may be seen. */
export type Sight = Pick<Access, "views" | "rowFilter" | "scope">;

/** Where nobody is asked who they are. */
export const everything: Sight = { views: undefined, rowFilter: new Map(), scope: "" };

/**
 * What rules allow together: permissions and views add up, row filters hold all at once, and the highest rate counts.
 * Throws TIDEMARK_AUTH_FORBIDDEN for a row filter by a claim that is missing or no value.
 */
export function combineRules(name: string, rules: readonly Rule[], claims: Claims): Access {
  const reading = rules.filter((rule) => rule.permissions.includes("query"));
  const seesAll = reading.length === 0 || reading.some((rule) => rule.views === undefined);
  const views = seesAll ? undefined : new Set(reading.flatMap((rule) => rule.views ?? []));
  const rowFilter = new Map<string, ReadonlySet<Scalar>>();
  for (const rule of reading) {
    for (const [dimension, text] of Object.entries(rule.rowFilter ?? {})) {
      const values = new Set([text].flat().flatMap((value) => resolve(name, value, claims)));
      const former = rowFilter.get(dimension);
      const both = former === undefined ? values : new Set([...values].filter((value) => former.has(value)));
      rowFilter.set(dimension, both);
    }
  }
  const rates = rules.flatMap(({ requestsPerSecond }) => requestsPerSecond ?? []);
  return {
    ...{ name, views, rowFilter },
    permissions: new Set(rules.flatMap((rule) => rule.permissions)),
    scope: scopeOf(views, rowFilter),
    requestsPerSecond: rates.length === 0 ? undefined : Math.max(...rates),
  };
}

function scopeOf(views: Access["views"], rowFilter: Access["rowFilter"]): string {
  if (views === undefined && rowFilter.size === 0) return "";
  const inOrder = (values: Iterable<Scalar>) => [...values].map((value) => JSON.stringify(value)).sort();
  const filters = [...rowFilter].map(([dimension, values]) => [dimension, inOrder(values)] as const);
  return JSON.stringify([views && inOrder(views), filters.sort(([a], [b]) => (a < b ? -1 : 1))]);
}

function resolve(name: string, value: FilterValue, claims: Claims): readonly Scalar[] {
  const [, path] = /^\$claim\.(.+)$/.exec(String(value)) ?? [];
  if (path === undefined) return [value];
  const values = [claimAt(claims, path) ?? []].flat();
  if (values.length > 0 && values.every(isFilterValue)) return values;
  throw new TidemarkError(
    "TIDEMARK_AUTH_FORBIDDEN",
    `${name} sees rows by the claim "${path}", which the token does not have as a text, a number or a list of these`,
  );
}

function isFilterValue(value: unknown): value is FilterValue {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

/** `realm_access.roles` is the claim "roles" in the claim "realm_access", unless one has that whole name. */
export function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  return path
    .split(".")
    .reduce<unknown>((at, name) => (Object.hasOwn(Object(at), name) ? Object(at)[name] : undefined), claims);
}
