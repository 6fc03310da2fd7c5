/** Results large, up to the whole screen: one, or all items as a contact sheet, of which two may be compared. */

import { useRef, useState } from 'react';
import { itemName } from '../parts/text';
import { compare } from '../commands/compare';
import type { Shown } from '../connection/messages';
import { Button } from '../parts/Button';
import { Window } from '../parts/Window';
import { picturesOf, type Spot } from '../results/sides';
import { ShownView } from '../results/ShownView';
import { useResult } from '../results/useResult';
import { complain } from '../store/ui';

interface Props {
  readonly title: string;
  readonly keys?: Readonly<Record<string, string>>;
  readonly item?: string;
  readonly spot: Spot;
}

const SHEET = 60;

export function ViewDialog({ title, keys = {}, item = '', spot }: Props) {
  const [sheet, setSheet] = useState(false);
  const [marked, setMarked] = useState<readonly string[]>([]);
  const field = useRef<HTMLDivElement>(null);
  const items = Object.entries(keys);
  const shown = keys[item] ?? items[0]?.[1] ?? '';
  const found = useResult(shown);
  const seen = typeof found === 'object' && picturesOf(found).length > 0;
  return (
    <Window title={title} wide>
      {(items.length > 1 || seen) && (
        <div className="panel-tools">
          {items.length > 1 && (
            <Button label={`all ${items.length} items`} pressed={sheet} onClick={() => setSheet(!sheet)}>
              All {items.length}
            </Button>
          )}
          {sheet ? (
            <Button
              icon="compare"
              label="compare two, those that are marked"
              disabled={marked.length !== 2}
              onClick={() => compare({ ...spot, key: marked[0] ?? '' }, { ...spot, key: marked[1] ?? '' })}
            >
              Compare two
            </Button>
          ) : (
            <Button
              icon="compare"
              label="compare with another result"
              disabled={!seen}
              onClick={() => compare({ ...spot, key: shown })}
            >
              Compare
            </Button>
          )}
          {document.fullscreenEnabled && (
            <Button
              icon="fit"
              label="on the whole screen"
              onClick={() => void field.current?.requestFullscreen().catch(complain)}
            >
              Full screen
            </Button>
          )}
        </div>
      )}
      {sheet ? (
        <div className="sheet" ref={field}>
          {items.slice(0, SHEET).map(([name, key]) => (
            <figure key={name} className={marked.includes(key) ? 'marked' : ''}>
              <One id={key} title={`${title} ${itemName(name)}`} />
              <figcaption>
                {itemName(name)}
                <Button
                  icon="compare"
                  size={13}
                  label={`mark item ${itemName(name)} for comparison`}
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
        <div className="large" ref={field}>
          <One id={shown} title={title} large />
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
