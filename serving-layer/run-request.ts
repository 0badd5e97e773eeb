import { TidemarkError } from "../views/errors.ts";

type Asked<Name extends string> = { readonly ifBusy: "wait" | "refuse" } & { readonly [N in Name]?: string };

/** The body that asks for a run: none, or texts by these names. `what` is for people: "a run". */
export function readRunRequest<Name extends string = never>(
  body: unknown,
  what: string,
  names: readonly Name[] = [],
): Asked<Name> {
  const given = body === undefined || body === null ? {} : body;
  const { ifBusy = "wait", ...others } = typeof given === "object" ? (given as Record<string, unknown>) : {};
  const wrong = Object.entries(others).find(
    ([name, value]) => !names.some((known) => known === name) || typeof value !== "string",
  );
  if (typeof given === "object" && wrong === undefined && (ifBusy === "wait" || ifBusy === "refuse")) {
    return { ...others, ifBusy } as Asked<Name>;
  }
  const also = names.map((name) => `, and a text "${name}" if need be`).join("");
  throw new TidemarkError(
    "TIDEMARK_REQUEST",
    `${what} is asked for with no body, or with {"ifBusy": "wait"} or {"ifBusy": "refuse"}${also}${wrong === undefined ? "" : `; "${wrong[0].slice(0, 100)}" is none of these`}`,
  );
}
