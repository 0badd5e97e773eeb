import { TidemarkError } from "../views/errors.ts";

/** Names apart by commas. Throws TIDEMARK_QUERY_PARAMETER for one that stands there twice. */
export function readNames(parameter: string, text: string): readonly string[] {
  const names = text === "" ? [] : text.split(",").map((name) => name.trim().slice(0, 101));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw parameterError(`${parameter} names "${twice}" twice`);
  return names;
}

/** Throws TIDEMARK_QUERY_PARAMETER naming the choices. */
export function readChoice<C extends string>(name: string, text: string, choices: readonly C[]): C {
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) {
    throw parameterError(`${name}="${text.slice(0, 100)}": give one of ${choices.join(", ")}`);
  }
  return choice;
}

export function listNames(named: readonly { readonly name: string }[]): string {
  return named.length === 0 ? "none" : named.map(({ name }) => name).join(", ");
}

export function parameterError(message: string): TidemarkError {
  return new TidemarkError("TIDEMARK_QUERY_PARAMETER", message);
}
