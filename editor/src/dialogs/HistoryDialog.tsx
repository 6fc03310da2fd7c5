/** Earlier results of a node; choosing one brings its settings back. */

import { useState } from 'react';
import { compare } from '../commands/compare';
import type { NodeResult } from '../connection/messages';
import { withNode } from '../document/wires';
import { Button } from '../parts/Button';
import { ago, duration } from '../parts/text';
import { isInner } from '../schema/inner';
import { Window } from '../parts/Window';
import { ShownView } from '../results/ShownView';
import { useEarlier } from '../results/useEarlier';
import { useResult } from '../results/useResult';
import { edit, useActive, useTabs } from '../store/tabs';
import { closeDialog, say } from '../store/ui';

export function HistoryDialog({ node }: { node: string }) {
  const tab = useTabs((state) => state.active);
  const results = useEarlier({ tab, node });
  // of a workflow used as a node they are results of a node inside, whose settings are not its own
  const inner = useActive((one) => isInner(one.line.now.nodes[node]?.type ?? ''), false);
  const [marked, setMarked] = useState<readonly string[]>([]);
  const back = (one: NodeResult): void => {
    edit('bring settings back', (doc) =>
      withNode(doc, node, (entry) => ({ ...entry, params: one.settings })),
    );
    closeDialog();
    say(`${node} is set as it was ${ago(one.time)}`, 'good');
  };
  const toggle = (key: string): void =>
    setMarked(marked.includes(key) ? marked.filter((one) => one !== key) : [...marked.slice(-1), key]);
  return (
    <Window title={`Earlier results of ${node}`} wide>
      <div className="panel-tools">
        <Button
          icon="compare"
          label="Compare two"
          disabled={marked.length !== 2}
          onClick={() => compare({ tab, node, key: marked[0] ?? '' }, { tab, node, key: marked[1] ?? '' })}
        >
          Compare two
        </Button>
      </div>
      <div className="history">
        {results?.map((one) => (
          <article key={one.key + one.item} className={marked.includes(one.key) ? 'marked' : ''}>
            <Picture id={one.key} title={node} />
            <small>
              {ago(one.time)}
              {one.seconds !== null && ` · ${duration(one.seconds)}`}
            </small>
            {!inner && <pre>{settingsText(one.settings)}</pre>}
            <div className="answers">
              {!inner && (
                <Button label="use these settings" tone="primary" onClick={() => back(one)}>
                  Use
                </Button>
              )}
              <Button
                icon="compare"
                label="mark for comparison"
                pressed={marked.includes(one.key)}
                onClick={() => toggle(one.key)}
              />
            </div>
          </article>
        ))}
        {results?.length === 0 && (
          <p className="empty">this node has not run yet under this workflow's name</p>
        )}
      </div>
    </Window>
  );
}

function settingsText(settings: Readonly<Record<string, unknown>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('\n');
}

function Picture({ id, title }: { id: string; title: string }) {
  const found = useResult(id);
  if (found === undefined || found === 'loading') return <div className="no-picture">...</div>;
  const shown =
    found === 'gone' ? undefined : Object.values(found.outputs).find((one) => one.kind !== 'none');
  return (
    <div className="picture">
      {shown ? <ShownView shown={shown} title={title} /> : <span className="empty">not kept</span>}
    </div>
  );
}
