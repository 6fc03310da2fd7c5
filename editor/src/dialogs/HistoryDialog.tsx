/** Earlier results of a node; choosing one brings its settings back. */

import { useEffect, useState } from 'react';
import type { NodeResult } from '../connection/messages';
import { socket } from '../connection/socket';
import { withNode } from '../document/wires';
import { Button } from '../parts/Button';
import { ago, duration } from '../parts/text';
import { Window } from '../parts/Window';
import { ShownView } from '../results/ShownView';
import { useResult } from '../results/useResult';
import { runOf } from '../store/runs';
import { nameOf } from '../store/session';
import { activeTab, edit } from '../store/tabs';
import { closeDialog, complain, openDialog, say } from '../store/ui';

export function HistoryDialog({ node }: { node: string }) {
  const [results, setResults] = useState<readonly NodeResult[]>();
  const [marked, setMarked] = useState<readonly string[]>([]);
  useEffect(() => {
    const tab = activeTab();
    if (tab === undefined) return;
    socket
      .ask(
        { type: 'node_history', name: nameOf(tab), node: runOf(tab.id).inside + node, limit: 24 },
        'node_results',
      )
      .then((told) => setResults(told.results), complain);
  }, [node]);
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
          onClick={() => openDialog('view', { title: node, pair: marked })}
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
            <pre>{settingsText(one.settings)}</pre>
            <div className="answers">
              <Button label="use these settings" tone="primary" onClick={() => back(one)}>
                Use
              </Button>
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
