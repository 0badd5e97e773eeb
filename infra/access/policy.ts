import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Static } from "typebox";
import { TidemarkError } from "../../views/errors.ts";
import { Compile, Type } from "../../views/typebox.ts";
import { permissions } from "./rights.ts";

const closed = { additionalProperties: false };
const filterValue = Type.Union([Type.String(), Type.Number(), Type.Boolean()]);
const restrictions = {
  views: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
  rowFilter: Type.Optional(
    Type.Record(Type.String(), Type.Union([filterValue, Type.Array(filterValue, { minItems: 1 })])),
  ),
  requestsPerSecond: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1_000_000 })),
};

const schema = Type.Object(
  {
    jwt: Type.Optional(
      Type.Object(
        {
          /** An address, or a file beside this one. */
          jwks: Type.String({ minLength: 1 }),
          issuer: Type.String({ minLength: 1 }),
          audience: Type.String({ minLength: 1 }),
          clockToleranceSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 300 })),
          /** Where the token has its roles: a list, or a text with blanks between them. */
          rolesClaim: Type.Optional(Type.String({ minLength: 1 })),
          /** Where it has the name that logs show. */
          nameClaim: Type.Optional(Type.String({ minLength: 1 })),
        },
        closed,
      ),
    ),
    roles: Type.Optional(
      Type.Record(
        Type.String(),
        Type.Object(
          {
            permissions: Type.Array(Type.Enum([...permissions]), { minItems: 1 }),
            ...restrictions,
          },
          closed,
        ),
      ),
    ),
    /** By the name of a key of TIDEMARK_API_KEYS, which says its permissions. */
    keys: Type.Optional(Type.Record(Type.String(), Type.Object(restrictions, closed))),
    /** Of each caller that nothing else is said of. */
    requestsPerSecond: restrictions.requestsPerSecond,
  },
  closed,
);

/** The file that TIDEMARK_ACCESS names. */
export type AccessPolicy = Static<typeof schema>;
export type JwtPolicy = NonNullable<AccessPolicy["jwt"]>;

/** Throws TIDEMARK_CONFIG. A file of JWKS is made absolute. */
export async function readAccessPolicy(path: string): Promise<AccessPolicy> {
  const policy = parse(await readText(path), path);
  if (policy.jwt !== undefined && Object.keys(policy.roles ?? {}).length === 0) {
    throw config(path, 'it has "jwt" and no "roles": no token would be allowed anything');
  }
  for (const [name, { rowFilter = {} }] of Object.entries(policy.keys ?? {})) {
    if (
      Object.values(rowFilter)
        .flat()
        .some((value) => String(value).startsWith("$claim."))
    ) {
      throw config(
        path,
        `key "${name}" has a row filter by a claim, and keys have none: give the value itself`,
      );
    }
  }
  if (policy.jwt === undefined || URL.canParse(policy.jwt.jwks)) return policy;
  return { ...policy, jwt: { ...policy.jwt, jwks: resolve(dirname(path), policy.jwt.jwks) } };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw config(path, `it can't be read: ${(cause as Error).message}`, cause);
  }
}

const validator = Compile(schema);

function parse(text: string, path: string): AccessPolicy {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw config(path, `it is no JSON: ${(cause as Error).message}`, cause);
  }
  if (validator.Check(value)) return value;
  const [first] = validator.Errors(value);
  const what = first?.keyword === "boolean" ? "is no setting that there is" : first?.message;
  throw config(path, `${first?.instancePath || "it"} ${what ?? "is not as it must be"}`);
}

/** Throws TIDEMARK_CONFIG for keys and views that there are not: what restricts nobody would pass for a restriction. */
export function requireKnownNames(
  { roles = {}, keys = {} }: AccessPolicy,
  known: {
    readonly keys: readonly { readonly name: string }[];
    readonly views: readonly { readonly name: string }[];
  },
): void {
  const require = (what: string, name: string, among: readonly { readonly name: string }[]) => {
    if (among.some((one) => one.name === name)) return;
    const names = among.map((one) => one.name).join(", ") || "none";
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `TIDEMARK_ACCESS: there is no ${what} "${name}"; there are ${names}`,
    );
  };
  for (const name of Object.keys(keys)) require("key", name, known.keys);
  for (const { views = [] } of [...Object.values(roles), ...Object.values(keys)]) {
    for (const name of views) require("view", name, known.views);
  }
}

function config(path: string, what: string, cause?: unknown): TidemarkError {
  return new TidemarkError("TIDEMARK_CONFIG", `TIDEMARK_ACCESS=${path}: ${what}`, { cause });
}
