import { useEffect, useState } from "preact/hooks";
import type { DiffAnswer, VersionsAnswer } from "../answers.ts";
import { call } from "../api.ts";
import { useAsked } from "../asked.ts";
import { formatAge, formatCount, formatTime } from "../figures.ts";
import { Dialog } from "../parts/dialog.tsx";
import { ProblemNote } from "../parts/note.tsx";
import { useDeed } from "../parts/use-deed.ts";

/** The versions of a family, and which of them its name means: any other that is built can, at once. */
export function Versions({ family, known }: { readonly family: string; readonly known: string }) {
  const path = `/v1/views/${encodeURIComponent(family)}`;
  const { answer, problem, again } = useAsked<VersionsAnswer>(path);
  const [chosen, choose] = useState<number | undefined>(undefined);
  const flipping = useDeed();
  useEffect(again, [known, again]);
  const flip = (version: number) => {
    choose(undefined);
    flipping.start(async () => {
      await call(`${path}/active`, { method: "POST", body: { version } });
      again();
    });
  };
  const active = answer?.versions.find(({ isActive }) => isActive)?.version;
  const { flipped } = answer ?? {};
  return (
    <section aria-label={`Versions of ${family}`}>
      <div class="section-head">
        <h3>{family}</h3>
        {flipped !== null && flipped !== undefined && (
          <p title={[formatTime(flipped.at), flipped.why ?? ""].join(" ")}>
            flipped {formatAge(flipped.at)}, by {flipped.by}
          </p>
        )}
      </div>
      <ProblemNote problem={problem ?? flipping.problem} />
      {answer !== undefined && (
        <div class="grid">
          <table class="stack">
            <thead>
              <tr>
                <th>version</th>
                <th>state</th>
                <th>
                  <span class="unseen">flip to it</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {answer.versions.map(({ version, isActive, isBuilding, held }) => (
                <tr key={version} class={isActive ? "selected" : ""}>
                  <td class="mono">
                    {family}@{version}
                  </td>
                  <td>
                    {isBuilding ? "is not built yet" : isActive ? "answers" : "is kept up to date beside it"}
                    {held !== null && <span class="soft">; not flipped to by policy: {held}</span>}
                  </td>
                  <td class="figure">
                    {isActive ? (
                      <b class="good">active</b>
                    ) : (
                      answer.mayFlip && (
                        <button
                          type="button"
                          disabled={isBuilding || flipping.isDoing}
                          onClick={() => choose(version)}
                        >
                          {version === answer.former ? "Roll back" : "Flip"} to version {version}
                        </button>
                      )
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {chosen !== undefined && active !== undefined && (
        <Dialog title={`Let ${family} mean version ${chosen}?`} close={() => choose(undefined)}>
          <Difference path={path} from={active} to={chosen} />
          <p>
            Answers to <b>{family}</b> are of version {chosen} from then on. Version {active} is kept up to
            date beside it, so that the way back is as short.
          </p>
          <p class="row end">
            <button type="button" onClick={() => choose(undefined)}>
              Leave it
            </button>
            <button type="button" class="primary" onClick={() => flip(chosen)}>
              Let it mean version {chosen}
            </button>
          </p>
        </Dialog>
      )}
    </section>
  );
}

/** In how many rows two versions differ, at the newest cut of both. */
function Difference(props: { readonly path: string; readonly from: number; readonly to: number }) {
  const { path, from, to } = props;
  const { answer, problem } = useAsked<DiffAnswer>(`${path}/diff?from=${from}&to=${to}&limit=1`);
  if (answer === undefined)
    return problem === undefined ? <p aria-busy="true">…</p> : <ProblemNote problem={problem} />;
  const { changed, added, gone, equal } = answer.rows;
  return (
    <dl class="facts">
      <dt>rows changed</dt>
      <dd>{formatCount(changed)}</dd>
      <dt>added</dt>
      <dd>{formatCount(added)}</dd>
      <dt>gone</dt>
      <dd>{formatCount(gone)}</dd>
      <dt>equal</dt>
      <dd>{formatCount(equal)}</dd>
    </dl>
  );
}
