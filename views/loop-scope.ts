import type { JsScope } from "./expression.ts";

/** Statements of the loop's body. The same text is computed once: it is pure, whoever asks for it. */
export class LoopScope implements JsScope {
  /** What the generated function is given as its constants. */
  readonly constants: unknown[] = [];
  readonly #names = new Map<string, string>();
  #statements: string[] = [];

  constant(value: unknown): string {
    if (value === null || typeof value === "string" || typeof value === "boolean")
      return JSON.stringify(value);
    if (typeof value === "number" && Number.isFinite(value)) return `(${value})`;
    const known = this.constants.indexOf(value);
    return `c${known === -1 ? this.constants.push(value) - 1 : known}`;
  }

  /** Statements before the loop that name the constants, which the variable `list` holds. */
  constantsToJs(list: string): string {
    return this.constants.map((_value, i) => `const c${i} = ${list}[${i}];`).join("\n");
  }

  bind(js: string): string {
    let name = this.#names.get(js);
    if (name === undefined) {
      name = `v${this.#names.size}`;
      this.#names.set(js, name);
      this.#statements.push(`const ${name} = ${js};`);
    }
    return name;
  }

  takeStatements(): string {
    const statements = this.#statements.join("\n    ");
    this.#statements = [];
    return statements;
  }
}
