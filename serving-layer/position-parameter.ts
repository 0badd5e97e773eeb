import { type Position, parsePosition } from "../views/cut.ts";
import type { EventType } from "../views/event.ts";
import { listNames, parameterError } from "./parameter-text.ts";

/**
 * The part of a position that speaks of these topics. It may speak of others that the app has;
 * TIDEMARK_QUERY_PARAMETER names what there is none of.
 */
export function readPosition(
  name: string,
  text: string,
  topics: ReadonlySet<string>,
  events: readonly EventType[],
): Position {
  const position = parsePosition(text);
  for (const [topic, partitions] of position) {
    const event = events.find((each) => each.name === topic);
    if (event === undefined) {
      throw parameterError(
        `${name}: there is no topic "${topic.slice(0, 100)}"; there are ${listNames(events)}`,
      );
    }
    const beyond = [...partitions.keys()].find((partition) => partition >= event.partitions);
    if (beyond !== undefined) {
      throw parameterError(
        `${name}: topic "${topic}" has partitions 0 to ${event.partitions - 1}, no ${beyond}`,
      );
    }
  }
  return new Map([...position].filter(([topic]) => topics.has(topic)));
}
