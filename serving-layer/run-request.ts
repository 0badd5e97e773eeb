import { TidemarkError } from "../views/errors.ts";

type Asked<Text extends string, Flag extends string, List extends string> = {
  readonly ifBusy: "wait" | "refuse";
} & { readonly [N in Text]?: string } & { readonly [N in Flag]?: boolean } & {
  readonly [N in List]?: readonly string[];
};

/** What a body can have besides `ifBusy`. */
interface Members<Text extends string, Flag extends string, List extends string> {
  readonly texts?: readonly Text[];
  readonly flags?: readonly Flag[];
  /** Of texts, not empty. */
  readonly lists?: readonly List[];
}

/** The body that asks for a run: none, or members by these names. `what` is for people: "a run". */
export function readRunRequest<
  Text extends string = never,
  Flag extends string = never,
  List extends string = never,
>(
  body: unknown,
  what: string,
  { texts = [], flags = [], lists = [] }: Members<Text, Flag, List>,
): Asked<Text, Flag, List> {
  const given = body === undefined || body === null ? {} : body;
  const { ifBusy = "wait", ...others } = typeof given === "object" ? (given as Record<string, unknown>) : {};
  const isKnown = ([name, value]: [string, unknown]) => {
    const isOneOf = (names: readonly string[]) => names.includes(name);
    if (typeof value === "string") return isOneOf(texts);
    return typeof value === "boolean" ? isOneOf(flags) : isListOfTexts(value) && isOneOf(lists);
  };
  const wrong = Object.entries(others).find((member) => !isKnown(member));
  if (typeof given === "object" && wrong === undefined && (ifBusy === "wait" || ifBusy === "refuse")) {
    return { ...others, ifBusy } as Asked<Text, Flag, List>;
  }
  const also = [
    ...texts.map((name) => `, and a text "${name}" if need be`),
    ...lists.map((name) => `, and a list of texts "${name}" if need be`),
    ...flags.map((name) => `, and {"${name}": true} if need be`),
  ].join("");
  throw new TidemarkError(
    "TIDEMARK_REQUEST",
    `${what} is asked for with no body, or with {"ifBusy": "wait"} or {"ifBusy": "refuse"}${also}${wrong === undefined ? "" : `; "${wrong[0].slice(0, 100)}" is none of these`}`,
  );
}

function isListOfTexts(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "string");
}
