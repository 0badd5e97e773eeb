import { formatRate } from "../figures.ts";
import type { Flow } from "./layout.ts";

/** An arrow, which moves as long as something flows; the faster the more. */
export function Stream(props: {
  readonly flow: Flow;
  readonly tone: "batch" | "speed" | "plain";
  /** Records per second; undefined where no figure is known. */
  readonly rate?: number | undefined;
  readonly isMoving?: boolean;
  readonly text?: string | undefined;
}) {
  const { flow, tone, rate, isMoving = (rate ?? 0) > 0, text } = props;
  // From 2.4 s for a trickle to 0.5 s for hundreds of thousands per second.
  const seconds = Math.max(0.5, 2.4 - Math.log10(1 + (rate ?? 300)) * 0.36);
  const label = text ?? (rate === undefined ? undefined : formatRate(rate));
  return (
    <g class={`stream ${tone} ${isMoving ? "moving" : ""}`}>
      <path class="stream-bed" d={flow.path} marker-end={`url(#arrow-${tone})`} />
      {isMoving && (
        <path class="stream-flow" d={flow.path} style={{ animationDuration: `${seconds.toFixed(1)}s` }} />
      )}
      {label !== undefined && (
        <text class="stream-label" x={flow.label.x} y={flow.label.y} data-flow={flow.name}>
          {label}
        </text>
      )}
    </g>
  );
}

export function Arrowheads() {
  return (
    <defs>
      {(["plain", "batch", "speed"] as const).map((tone) => (
        <marker
          key={tone}
          id={`arrow-${tone}`}
          class={`arrowhead ${tone}`}
          viewBox="0 0 8 8"
          refX="7"
          refY="4"
          markerWidth="5"
          markerHeight="5"
          orient="auto"
        >
          <path d="M0 0 8 4 0 8z" />
        </marker>
      ))}
    </defs>
  );
}
