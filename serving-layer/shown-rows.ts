import type { GenerationReader } from "../infra/generations/generations.ts";
import { slidingWindow } from "../views/sliding-rows.ts";
import type { View } from "../views/view.ts";
import { ExistingSource } from "./existing-rows.ts";
import { SessionSource, type StoredRows } from "./sessions.ts";
import { SlidingSource } from "./sliding.ts";

/**
 * Whether a row is one stored row of each layer: sessions and overlapping windows are made of several, and of a row that
 * can be deleted both layers together say whether it exists.
 */
export function isShownAsStored(stored: View): boolean {
  return (
    stored.sessions === undefined && stored.existence === undefined && slidingWindow(stored) === undefined
  );
}

/** What a view that is not shown as it is stored shows, put together from the layers' stored rows. */
export function shownRows(stored: View, stores: readonly StoredRows[]): Pick<GenerationReader, "scan"> {
  if (stored.sessions !== undefined) return new SessionSource(stored, stored.sessions, stores);
  if (stored.existence !== undefined) return new ExistingSource(stored, stored.existence, stores);
  const window = slidingWindow(stored);
  if (window === undefined) throw new Error(`view "${stored.name}" is shown as it is stored`);
  return new SlidingSource(stored, window, stores);
}
