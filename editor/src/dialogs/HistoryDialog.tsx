/** Earlier results of a node; choosing one brings back the settings that made it, those of nodes before it included. */

import { useEffect, useState } from 'react';
import { compare } from '../commands/compare';
import { openDocument } from '../commands/files';
import { runDocument } from '../connection/http';
import type { NodeResult } from '../connection/messages';
import { broughtBack, type Change } from '../document/bring';
import { own } from '../document/records';
import type { Workflow } from '../document/types';
import { Button } from '../parts/Button';
import { ago, duration, plural } from '../parts/text';
import { isInner } from '../schema/inner';
import { Window } from '../parts/Window';
import { otherwise } from '../results/otherwise';
import { ShownView } from '../results/ShownView';
import { useEarlier } from '../results/useEarlier';
import { useResult } from '../results/useResult';
import { activeTab, edit, useDoc, useTabs } from '../store/tabs';
import { closeDialog, complain, say } from '../store/ui';

export function HistoryDialog({ node }: { node: string }) {
  const tab = useTabs((state) => state.active);
  const results = useEarlier({ tab, node });
  const then = useDocuments(results);
  const [marked, setMarked] = useState<readonly string[]>([]);
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
          <Card
            key={one.key + one.item}
            node={node}
            one={one}
            then={then[one.run]}
            marked={marked.includes(one.key)}
            onMark={() => toggle(one.key)}
          />
        ))}
        {results?.length === 0 && (
          <p className="empty">this node has not run yet under this workflow's name</p>
        )}
      </div>
    </Window>
  );
}

interface CardProps {
  readonly node: string;
  readonly one: NodeResult;
  /** What ran then; null if it is not kept. */
  readonly then: Workflow | null | undefined;
  readonly marked: boolean;
  readonly onMark: () => void;
}

function Card({ node, one, then, marked, onMark }: CardProps) {
  const doc = useDoc();
  const tab = useTabs((state) => state.active);
  // of a workflow used as a node they are results of a node inside, whose settings are not all its own
  const inner = isInner(own(doc.nodes, node)?.type ?? '');
  const found = then === undefined ? undefined : otherwise(tab, node, one, then);
  const before = found?.changes.filter((change) => change.node !== node) ?? [];
  const back = (changes: readonly Change[]): void => {
    edit('bring settings back', (now) => broughtBack(now, changes));
    closeDialog();
    if (activeTab()?.readOnly) return;
    const others = new Set(before.map((change) => change.node)).size;
    const were = others > 0 && changes !== mine;
    const who = were
      ? `${node} and ${plural(others, 'node')} before it are set as they were`
      : `${node} is set as it was`;
    say(`${who} ${ago(one.time)}`, 'good', found?.rest.join('; '));
  };
  const mine = found?.changes.filter((change) => change.node === node) ?? [];
  return (
    <article className={marked ? 'marked' : ''}>
      <Picture id={one.key} title={node} />
      <small>
        {ago(one.time)}
        {one.seconds !== null && ` · ${duration(one.seconds)}`}
        {found?.changes.length === 0 && found.rest.length === 0 && ' · as it is set now'}
      </small>
      {!inner && <pre>{settingsText(one.settings)}</pre>}
      {inner && mine.length > 0 && <pre>{changesText(mine)}</pre>}
      {before.length > 0 && <pre aria-label="set otherwise before it">{changesText(before)}</pre>}
      {found !== undefined && found.rest.length > 0 && (
        <small className="rest">{found.rest.join('; ')}</small>
      )}
      <div className="answers">
        <Button
          label="use these settings"
          tone="primary"
          disabled={found === undefined || found.changes.length === 0}
          onClick={() => back(found?.changes ?? [])}
        >
          Use
        </Button>
        {before.length > 0 && mine.length > 0 && (
          <Button label={`use the settings of ${node} alone`} onClick={() => back(mine)}>
            Only {node}
          </Button>
        )}
        {then != null && (
          <Button
            icon="folder"
            label="open the workflow that made it"
            onClick={() => {
              closeDialog();
              openDocument(then, `${then.name || node}, ${ago(one.time)}`).catch(complain);
            }}
          />
        )}
        <Button icon="compare" label="mark for comparison" pressed={marked} onClick={onMark} />
      </div>
    </article>
  );
}

/** What the runs of some results ran, by run; null for what is not kept. */
function useDocuments(results: readonly NodeResult[] | undefined): Readonly<Record<string, Workflow | null>> {
  const [found, setFound] = useState<Readonly<Record<string, Workflow | null>>>({});
  useEffect(() => {
    for (const run of new Set(results?.map((one) => one.run)))
      runDocument(run)
        .catch(() => null)
        .then((doc) => setFound((before) => ({ ...before, [run]: doc })), complain);
  }, [results]);
  return found;
}

function changesText(changes: readonly Change[]): string {
  return changes
    .map(
      ({ node, name, value }) =>
        `${node} · ${value === undefined ? `${name} as it comes` : settingsText({ [name]: value })}`,
    )
    .join('\n');
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
      {shown ? (
        <ShownView shown={shown} title={title} />
      ) : (
        <span className="empty">{found === 'gone' ? 'not kept' : 'no picture'}</span>
      )}
    </div>
  );
}
