/** Results large: one, all items as a contact sheet, or two side by side with a wipe. */

import { useRef, useState, type CSSProperties } from 'react';
import type { Shown } from '../connection/messages';
import { Button } from '../parts/Button';
import { Window } from '../parts/Window';
import { ShownView } from '../results/ShownView';
import { useResult } from '../results/useResult';
import { openDialog } from '../store/ui';

interface Props {
  readonly title: string;
  readonly keys?: Readonly<Record<string, string>>;
  readonly item?: string;
  readonly pair?: readonly string[];
}

const SHEET = 60;

export function ViewDialog({ title, keys = {}, item = '', pair }: Props) {
  const [sheet, setSheet] = useState(false);
  const [marked, setMarked] = useState<readonly string[]>([]);
  const items = Object.entries(keys);
  if (pair?.length === 2) {
    return (
      <Window title={`${title}: compared`} wide>
        <Wipe a={pair[0] ?? ''} b={pair[1] ?? ''} title={title} />
      </Window>
    );
  }
  return (
    <Window title={title} wide>
      {items.length > 1 && (
        <div className="panel-tools">
          <Button label="all items" pressed={sheet} onClick={() => setSheet(!sheet)}>
            All {items.length}
          </Button>
          <Button
            icon="compare"
            label="compare the two marked"
            disabled={marked.length !== 2}
            onClick={() => openDialog('view', { title, pair: marked })}
          >
            Compare two
          </Button>
        </div>
      )}
      {sheet ? (
        <div className="sheet">
          {items.slice(0, SHEET).map(([name, key]) => (
            <figure key={name} className={marked.includes(key) ? 'marked' : ''}>
              <One id={key} title={`${title} ${name}`} />
              <figcaption>
                {name}
                <Button
                  icon="compare"
                  size={13}
                  label={`mark item ${name} for comparison`}
                  pressed={marked.includes(key)}
                  onClick={() =>
                    setMarked(
                      marked.includes(key) ? marked.filter((one) => one !== key) : [...marked.slice(-1), key],
                    )
                  }
                />
              </figcaption>
            </figure>
          ))}
        </div>
      ) : (
        <div className="large">
          <One id={keys[item] ?? items[0]?.[1] ?? ''} title={title} large />
        </div>
      )}
    </Window>
  );
}

function useShown(id: string): Shown | undefined {
  const found = useResult(id);
  return typeof found === 'object'
    ? Object.values(found.outputs).find((one) => one.kind !== 'none')
    : undefined;
}

function One({ id, title, large }: { id: string; title: string; large?: boolean }) {
  const shown = useShown(id);
  return shown ? <ShownView shown={shown} title={title} large={large} /> : <p className="empty">not kept</p>;
}

/** Two results over each other; a slider uncovers one. Videos run in step. */
function Wipe({ a, b, title }: { a: string; b: string; title: string }) {
  const [left, right] = [useShown(a), useShown(b)];
  const [share, setShare] = useState(50);
  const box = useRef<HTMLDivElement>(null);
  const inStep = (): void => {
    const [one, other] = [...(box.current?.querySelectorAll('video') ?? [])];
    if (one && other && Math.abs(one.currentTime - other.currentTime) > 0.08)
      other.currentTime = one.currentTime;
  };
  if (!left || !right) return <p className="empty">one of them is not kept any more</p>;
  return (
    <div
      className="wipe"
      ref={box}
      style={{ '--share': `${share}%` } as CSSProperties}
      onTimeUpdateCapture={inStep}
    >
      <div className="under">
        <ShownView shown={left} title={`${title}, first`} />
      </div>
      <div className="over">
        <ShownView shown={right} title={`${title}, second`} />
      </div>
      <input
        type="range"
        min={0}
        max={100}
        value={share}
        aria-label="wipe between the two"
        onChange={(event) => setShare(Number(event.target.value))}
      />
    </div>
  );
}
