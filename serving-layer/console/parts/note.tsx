import type { ComponentChildren } from "preact";
import type { Problem } from "../api.ts";

/** What the server says is wrong, in its own words. */
export function ProblemNote({ problem }: { readonly problem: Problem | undefined }) {
  if (problem === undefined) return null;
  return (
    <p class="note bad" role="alert">
      {problem.message} <code class="code">{problem.code}</code>
    </p>
  );
}

export function Empty({ children }: { readonly children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}
