import { replay } from "../../examples/flights/flights.ts";

/** The first flights in order of arrival, one JSON line each. */
export async function flightLines(count: number): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const { bytes } of replay({ limit: count })) {
    for (const line of bytes.toString().split("\n")) if (line !== "") lines.push(line);
  }
  return lines.slice(0, count);
}
