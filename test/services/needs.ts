/** Tests that need a Kafka, a Redis, or kcat, by their folder. */
const needs = {
  kafka: ["kafka"],
  redis: ["redis"],
  kcat: ["kafka", "kcat"],
  cluster: ["kafka", "redis"],
} as const satisfies Record<string, readonly ServiceName[]>;

export type ServiceName = "kafka" | "redis" | "kcat";

export const servicesTests: readonly string[] = Object.keys(needs).map(
  (folder) => `test/${folder}/**/*.test.ts`,
);

/** What a test file needs. */
export function needsOf(path: string): readonly ServiceName[] {
  const folder = /[\\/]test[\\/](\w+)[\\/]/.exec(path)?.[1] ?? "";
  return Object.entries(needs).find(([name]) => name === folder)?.[1] ?? [];
}
