/** What a node made, on the node: the live preview while it works, then the result. */

import { memo, useEffect, useRef, useState } from 'react';
import { compare } from '../commands/compare';
import { onPreview } from '../store/previews';
import type { Def } from '../schema/defs';
import { Button } from '../parts/Button';
import { resultsOf } from '../store/runs';
import { useTabs } from '../store/tabs';
import { openDialog } from '../store/ui';
import { useLive, useTabRun } from '../canvas/state';
import { kindOf, resultHeight } from './resultHeight';
import { picturesOf } from './sides';
import { ShownView } from './ShownView';
import { useResult } from './useResult';

export const NodeResult = memo(function NodeResult({ id, def }: { id: string; def: Def }) {
  const height = useTabRun((run) => resultHeight(run, id, def));
  const keys = useTabRun((run) => resultsOf(run, id, def));
  const running = useLive(id)?.state === 'running';
  const previewed = useTabRun((run) => run.previewed[id] === true);
  const inside = useTabRun((run) => run.inside);
  const value = useTabRun((run) => run.values[id]);
  if (height === 0) return null;
  const kind = kindOf(def);
  const live = previewed && (running || kind === 'none' || keys === undefined);
  return (
    <div className={`result ${kind}`} style={{ height }}>
      {live ? (
        <Preview id={id} node={inside + id} title={def.title} />
      ) : keys ? (
        <Results id={id} keys={keys} title={def.title} />
      ) : (
        <Told value={value} />
      )}
    </div>
  );
});

function Told({ value }: { value: Readonly<Record<string, unknown>> | undefined }) {
  const text = Object.values(value ?? {})
    .map((one) => (typeof one === 'string' ? one : JSON.stringify(one)))
    .join('\n');
  return <pre className="told nowheel">{text}</pre>;
}

/** Frames are drawn as they come; React is not asked. */
function Preview({ id, node, title }: { id: string; node: string; title: string }) {
  const ref = useRef<HTMLImageElement>(null);
  useEffect(() => {
    let last = '';
    const stop = onPreview(node, (frame) => {
      const image = ref.current;
      if (image === null) return;
      const url = URL.createObjectURL(frame);
      image.src = url;
      image.dataset.seq = String(Number(image.dataset.seq ?? 0) + 1);
      if (last !== '') URL.revokeObjectURL(last);
      last = url;
    });
    return () => {
      stop();
      if (last !== '') URL.revokeObjectURL(last);
    };
  }, [node]);
  return (
    <img
      ref={ref}
      className="preview"
      alt={`preview of ${title}`}
      data-testid={`preview-${id}`}
      draggable={false}
    />
  );
}

interface ResultsProps {
  readonly id: string;
  readonly keys: Readonly<Record<string, string>>;
  readonly title: string;
}

/** A node's results: one of its items, with arrows to the others. */
function Results({ id, keys, title }: ResultsProps) {
  const items = Object.keys(keys);
  const [place, setPlace] = useState(0);
  const item = items[Math.min(place, items.length - 1)] ?? '';
  const found = useResult(keys[item]);
  const tab = useTabs((state) => state.active);
  if (found === undefined || found === 'loading') return <div className="waiting">...</div>;
  if (found === 'gone') return <div className="gone">not kept; run again to see it</div>;
  const shown = Object.entries(found.outputs).filter(([, one]) => one.kind !== 'none');
  const first = shown[0]?.[1];
  if (first === undefined) return null;
  return (
    <>
      <ShownView shown={first} title={title} />
      <div className="result-tools nodrag">
        {items.length > 1 && (
          <span className="pager">
            <button
              type="button"
              aria-label="earlier item"
              disabled={place === 0}
              onClick={() => setPlace(place - 1)}
            >
              ‹
            </button>
            {place + 1}/{items.length}
            <button
              type="button"
              aria-label="next item"
              disabled={place >= items.length - 1}
              onClick={() => setPlace(place + 1)}
            >
              ›
            </button>
          </span>
        )}
        {picturesOf(found).length > 0 && (
          <Button
            icon="compare"
            size={13}
            label={`compare the result of ${title}`}
            onClick={() => compare({ tab, node: id, key: keys[item] ?? '' })}
          />
        )}
        <Button
          icon="expand"
          size={13}
          label={`see the result of ${title} large`}
          onClick={() => openDialog('view', { keys, item, title, spot: { tab, node: id } })}
        />
      </div>
    </>
  );
}
