import type { ComponentChildren } from "preact";
import type { Box } from "./layout.ts";

/** A part of the pipeline: what it is, the one figure that matters, and what that means. */
export function Stage(props: {
  readonly box: Box;
  readonly name: string;
  readonly figure: string;
  readonly notes?: readonly string[];
  readonly tone?: "batch" | "speed" | "plain";
  /** Drawn between the box and its text. */
  readonly children?: ComponentChildren;
}) {
  const { box, name, figure, notes = [], tone = "plain", children } = props;
  const { x, y, width, height } = box;
  return (
    <g class={`stage ${tone}`} transform={`translate(${x} ${y})`}>
      <rect class="stage-box" width={width} height={height} rx="12" />
      {children}
      <text class="stage-name" x="14" y="24">
        {name}
      </text>
      <text class="stage-figure" x="14" y="50">
        {figure}
      </text>
      {notes.map((note, i) => (
        <text key={note} class="stage-note" x="14" y={70 + i * 17}>
          {note}
        </text>
      ))}
    </g>
  );
}
