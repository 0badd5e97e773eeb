/**
 * Tests by their folder, and what they need: the Kafka or the Redis that all share, kcat, promtool, a browser, a PostgreSQL
 * or the programs of Kafka and Redis, to start and to kill ones of their own.
 */
const needs = {
  kafka: ["kafka"],
  redis: ["redis"],
  kcat: ["kafka", "redis", "kcat"],
  cluster: ["kafka", "redis"],
  metrics: ["promtool"],
  services: ["programs"],
  "fault/cluster": ["programs"],
  browser: ["chromium"],
  postgres: ["postgres"],
} as const satisfies Record<string, readonly ServiceName[]>;

export type ServiceName = "kafka" | "redis" | "kcat" | "promtool" | "programs" | "chromium" | "postgres";

export const servicesTests: readonly string[] = Object.keys(needs).map(
  (folder) => `test/${folder}/**/*.test.ts`,
);

/** What a test file needs. */
export function needsOf(path: string): readonly ServiceName[] {
  const slashed = path.replaceAll("\\", "/");
  return Object.entries(needs).find(([folder]) => slashed.includes(`/test/${folder}/`))?.[1] ?? [];
}
