/** JSON Schema, as OpenAPI 3.1 has it. */
export type Schema = object;

export interface QueryParameter {
  readonly name: string;
  readonly description?: string;
  readonly schema: Schema;
  readonly example?: unknown;
}

/** What one route does, as far as its path and its errors do not say it. */
export interface Operation {
  readonly summary: string;
  readonly description?: string;
  /** Parameters of the path that this operation is for one value of. */
  readonly fixed?: Readonly<Record<string, string>>;
  readonly query?: readonly QueryParameter[];
  readonly body?: {
    readonly required?: boolean;
    readonly content: Readonly<Record<string, { readonly schema: Schema; readonly example?: unknown }>>;
  };
  readonly responses?: Readonly<
    Record<
      number,
      {
        readonly description: string;
        readonly schema?: Schema;
        /** Default: application/json. */
        readonly type?: string;
        readonly example?: unknown;
      }
    >
  >;
}

/** By `METHOD /path`; several where there is one for each value of a parameter of the path. */
export type Operations = Readonly<Record<string, Operation | readonly Operation[]>>;
