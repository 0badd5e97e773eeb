import { useEffect, useState } from "preact/hooks";

/** Whether the window is at least this wide. */
export function useWide(pixels: number): boolean {
  const [isWide, setWide] = useState(() => matchMedia(`(min-width: ${pixels}px)`).matches);
  useEffect(() => {
    const query = matchMedia(`(min-width: ${pixels}px)`);
    const read = () => setWide(query.matches);
    query.addEventListener("change", read);
    return () => query.removeEventListener("change", read);
  }, [pixels]);
  return isWide;
}
