import { parseDuration } from "../../../views/time.ts";
import type { ViewDescription } from "../answers.ts";

const usual = ["1m", "5m", "15m", "1h", "3h", "6h", "12h", "1d", "7d"];

/** What panes of this view can be rolled up into, after the panes themselves. */
export function granularitiesOf({ window }: ViewDescription): readonly string[] {
  if (window === null || window.kind === "sliding") return [];
  if (window.kind === "calendar") return window.width === "1d" ? ["1w", "1mo"] : [];
  const own = parseDuration(window.width);
  if (own === undefined) return [];
  const dayMs = 86_400_000;
  const wider = usual.filter((text) => {
    const ms = parseDuration(text) ?? 0;
    return window.kind === "session" || (ms > own && ms % own === 0);
  });
  return dayMs % own === 0 || window.kind === "session" ? [...wider, "1w", "1mo"] : wider;
}
