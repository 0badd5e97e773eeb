import type { StatusAnswer } from "../answers.ts";
import { formatCount } from "../figures.ts";
import { type Watched, watched } from "../status.ts";
import { useStore } from "../store.ts";

export interface Verdict {
  readonly tone: "good" | "busy" | "bad";
  readonly text: string;
  /** What is not as it should be, in sentences. */
  readonly reasons: readonly string[];
}

/** How the platform is, in one word, for every page. */
export function Health() {
  const { tone, text, reasons } = verdictOf(useStore(watched));
  return (
    <span class={`health ${tone}`} role="status" title={reasons.join("\n")}>
      {text}
    </span>
  );
}

export function verdictOf({ status, problem }: Watched): Verdict {
  // Who may see some views or rows only may not see how the whole is.
  if (problem?.code === "TIDEMARK_AUTH_FORBIDDEN")
    return { tone: "busy", text: "some views", reasons: [problem.message] };
  if (problem !== undefined) return { tone: "bad", text: "no answer", reasons: [problem.message] };
  if (status === undefined) return { tone: "busy", text: "asking…", reasons: [] };
  const reasons = reasonsOf(status);
  if (reasons.length > 0) return { tone: "bad", text: "look here", reasons };
  const lag = Math.max(0, ...Object.values(status.views).map((view) => view.lag));
  return lag === 0
    ? { tone: "good", text: "complete", reasons }
    : { tone: "busy", text: `${formatCount(lag)} behind`, reasons };
}

function reasonsOf({ logObstacle, runs, views }: StatusAnswer): readonly string[] {
  // Nobody waits for a version that is being built beside the active one.
  const awaited = Object.entries(views).filter(([, { isActive, isBuilding }]) => isActive || !isBuilding);
  const ofViews = awaited.flatMap(([name, { unready, gap }]) =>
    [unready, gap].flatMap((reason) => (reason === null ? [] : [`${name}: ${reason}`])),
  );
  return [logObstacle, runs.obstacle].filter((reason) => reason !== null).concat(ofViews);
}
