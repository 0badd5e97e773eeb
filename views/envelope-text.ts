/** A JSON object's text with members that it lacks put in front; what was sent stays as it was, to the digit. */
export function withAttributes(text: string, attributes: Readonly<Record<string, unknown>>): string {
  const added = Object.entries(attributes).map(
    ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
  );
  if (added.length === 0) return text;
  const rest = text.slice(text.indexOf("{") + 1);
  return `{${added.join(",")}${rest.trimStart().startsWith("}") ? "" : ","}${rest}`;
}
