import { useRef, useState } from "preact/hooks";

/** A text to be taken elsewhere. Where the clipboard is closed to us, the text is selected instead. */
export function Copy({ label, text }: { readonly label: string; readonly text: string }) {
  const element = useRef<HTMLElement>(null);
  const [said, say] = useState("Copy");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      say("Copied");
    } catch {
      if (element.current !== null) getSelection()?.selectAllChildren(element.current);
      say("Selected");
    }
    setTimeout(() => say("Copy"), 1_500);
  };
  return (
    <div class="copy">
      <span class="copy-label">{label}</span>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
      <code ref={element} tabIndex={0}>
        {text}
      </code>
      <button type="button" onClick={copy} aria-label={`Copy the ${label}`}>
        {said}
      </button>
    </div>
  );
}
