import { fetchFile } from "../api.ts";
import { ProblemNote } from "../parts/note.tsx";
import { useDeed } from "../parts/use-deed.ts";
import { type Question, rowsUrl } from "./question.ts";

/** The rows as a file. A plain link could not send the key. */
export function Download({ question }: { readonly question: Question }) {
  const downloading = useDeed();
  const download = () =>
    downloading.start(async () => {
      const file = await fetchFile(`${rowsUrl(question)}&format=csv`);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(file);
      link.download = `${question.view.name}.csv`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
  return (
    <p class="row">
      <button type="button" disabled={downloading.isDoing} onClick={download}>
        Download as CSV
      </button>
      <ProblemNote problem={downloading.problem} />
    </p>
  );
}
