/** Absolute URLs, read from left to right. Shares no code with `views/`. */

interface Url {
  readonly authority: string;
  /** With the query and the fragment. */
  readonly rest: string;
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const digits = "0123456789";

const isOf = (text: string, characters: string) => [...text].every((one) => characters.includes(one));

/** Up to the first of these characters, and from there on. */
function upTo(text: string, characters: string): readonly [string, string] {
  const at = [...text].findIndex((one) => characters.includes(one));
  if (at === -1) return [text, ""];
  const before = [...text].slice(0, at).join("");
  return [before, text.slice(before.length)];
}

function parse(text: string): Url | null {
  const colon = text.indexOf("://");
  const scheme = text.slice(0, Math.max(0, colon));
  if (scheme === "" || !letters.includes(scheme.charAt(0)) || !isOf(scheme, `${letters}${digits}+.-`))
    return null;
  const [authority, rest] = upTo(text.slice(colon + 3), "/?#");
  return { authority, rest };
}

/** Without user and port; null where there is none, or no one host. */
export function hostIn(text: string): string | null {
  const authority = parse(text)?.authority;
  if (authority === undefined) return null;
  const parts = authority.split("@");
  const place = parts.at(-1) ?? "";
  if (parts.length > 2 || place === "") return null;
  const end = place.startsWith("[") ? place.indexOf("]") + 1 : upTo(place, ":")[0].length;
  const [host, port] = [place.slice(0, end), place.slice(end)];
  const isAddress =
    host.startsWith("[") && host.length > 2 && isOf(host.slice(1, -1), `${digits}abcdefABCDEF:.`);
  const isName = host !== "" && !/[[\]]/.test(host);
  if (!isAddress && !isName) return null;
  if (port !== "" && (port.charAt(0) !== ":" || !isOf(port.slice(1), digits))) return null;
  return host.toLowerCase();
}

/** Up to the query or the fragment, at least "/". */
export function pathIn(text: string): string | null {
  const url = parse(text);
  if (url === null) return null;
  const [path] = upTo(url.rest, "?#");
  return path === "" ? "/" : path;
}
