/** Run in the page: texts whose contrast with what is behind them is under 4.5 to 1. Those of drawings are left to the eye. */
export function faintTexts(): readonly string[] {
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map<string, readonly [number, number, number, number]>();
  const channels = (colour: string): readonly [number, number, number, number] => {
    const found = known.get(colour);
    if (found !== undefined) return found;
    if (paint === null) throw new Error("no canvas");
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    const [red = 0, green = 0, blue = 0, alpha = 0] = paint.getImageData(0, 0, 1, 1).data;
    known.set(colour, [red, green, blue, alpha]);
    return [red, green, blue, alpha];
  };
  const luminance = ([red, green, blue]: readonly [number, number, number, number]) => {
    const [r = 0, g = 0, b = 0] = [red, green, blue].map((channel) => {
      const share = channel / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element: Element | null): readonly [number, number, number, number] => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255, 255];
  };
  const faint = new Set<string>();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const text = texts.currentNode.textContent?.trim() ?? "";
    if (element === null || text === "" || element.closest("svg, .unseen, :disabled, noscript") !== null)
      continue;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const [a, b] = [luminance(channels(getComputedStyle(element).color)), luminance(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5)
      faint.add(`${contrast.toFixed(2)} ${element.tagName}.${element.className}: ${text.slice(0, 40)}`);
  }
  return [...faint];
}

/** Run in the page: what can be operated and has no name for whoever does not see it. */
export function namelessControls(): readonly string[] {
  const controls = document.querySelectorAll<HTMLElement>("a, button, input, select, textarea, summary");
  return [...controls]
    .filter((control) => {
      const labels = (control as HTMLInputElement).labels;
      const label = [...(labels ?? [])].map(({ textContent }) => textContent).join("");
      const name = control.getAttribute("aria-label") ?? (label || control.textContent);
      return (name ?? "").trim() === "";
    })
    .map(({ outerHTML }) => outerHTML.slice(0, 120));
}
