import { TidemarkError } from "../views/errors.ts";

type Asked<Text extends string, Flag extends string> = { readonly ifBusy: "wait" | "refuse" } & {
  readonly [N in Text]?: string;
} & { readonly [N in Flag]?: boolean };

/** What a body can have besides `ifBusy`. */
interface Members<Text extends string, Flag extends string> {
  readonly texts?: readonly Text[];
  readonly flags?: readonly Flag[];
}

/** The body that asks for a run: none, or members by these names. `what` is for people: "a run". */
export function readRunRequest<Text extends string = never, Flag extends string = never>(
  body: unknown,
  what: string,
  { texts = [], flags = [] }: Members<Text, Flag>,
): Asked<Text, Flag> {
  const given = body === undefined || body === null ? {} : body;
  const { ifBusy = "wait", ...others } = typeof given === "object" ? (given as Record<string, unknown>) : {};
  const isKnown = ([name, value]: [string, unknown]) =>
    typeof value === "string"
      ? texts.some((known) => known === name)
      : typeof value === "boolean" && flags.some((known) => known === name);
  const wrong = Object.entries(others).find((member) => !isKnown(member));
  if (typeof given === "object" && wrong === undefined && (ifBusy === "wait" || ifBusy === "refuse")) {
    return { ...others, ifBusy } as Asked<Text, Flag>;
  }
  const also = [
    ...texts.map((name) => `, and a text "${name}" if need be`),
    ...flags.map((name) => `, and {"${name}": true} if need be`),
  ].join("");
  throw new TidemarkError(
    "TIDEMARK_REQUEST",
    `${what} is asked for with no body, or with {"ifBusy": "wait"} or {"ifBusy": "refuse"}${also}${wrong === undefined ? "" : `; "${wrong[0].slice(0, 100)}" is none of these`}`,
  );
}
