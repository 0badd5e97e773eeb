import type { ComponentChildren } from "preact";

/** What may be wider or taller than there is room for, and scrolls by itself: with the keyboard too. */
export function Scroller(props: { readonly label: string; readonly children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
    <section class="grid tall" tabIndex={0} aria-label={props.label}>
      {props.children}
    </section>
  );
}
