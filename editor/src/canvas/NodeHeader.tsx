/** The title bar of a node, with its state and progress. */

import { useEffect, useState } from 'react';
import { renameTitle } from '../commands/rename';
import { titleOf } from '../document/nodes';
import type { NodeEntry } from '../document/types';
import type { Def } from '../schema/defs';
import { isInner } from '../schema/inner';
import { missingPorts } from '../schema/judge';
import { parameterOf } from '../document/parameters';
import { useActive } from '../store/tabs';
import type { NodeState } from '../store/live';
import { useUi } from '../store/ui';
import { bare, basisOf, duration, plural } from '../parts/text';
import { Icon } from '../parts/icons';
import { useLive, useTabRun } from './state';

const WORDS: Readonly<Record<NodeState, string>> = {
  idle: '',
  cached: 'cached',
  will: 'will run',
  waiting: 'waiting',
  running: 'running',
  done: 'done',
  failed: 'failed',
  skipped: 'skipped',
};

interface Props {
  readonly id: string;
  readonly entry: NodeEntry;
  readonly def: Def;
  readonly known: boolean;
  readonly state: NodeState;
  readonly far: boolean;
}

export function NodeHeader({ id, entry, def, known, state, far }: Props) {
  const title = titleOf(entry, def.title);
  const [editing, setEditing] = useState(false);
  const missing = useMissing(id, entry, known ? def : undefined);
  return (
    <div
      className="node-header"
      onDoubleClick={() => setEditing(!isInner(entry.type))}
      title={known ? `${def.id}\n${bare(def.doc)}` : `${def.id} is not installed`}
    >
      {editing && !far ? (
        <input
          className="node-rename nodrag"
          aria-label={`title of ${id}`}
          defaultValue={title}
          autoFocus
          onBlur={(event) => {
            renameTitle(id, event.target.value.trim(), def.title);
            setEditing(false);
          }}
          onKeyDown={(event) => {
            if (event.key === 'Enter') event.currentTarget.blur();
            if (event.key === 'Escape') setEditing(false);
            event.stopPropagation();
          }}
        />
      ) : (
        <span className="node-title">{title}</span>
      )}
      {!known && (
        <span className="badge bad">
          <Icon name="warn" size={11} /> not installed
        </span>
      )}
      {entry.ui?.mode && <span className="badge">{entry.ui.mode === 'bypass' ? 'bypassed' : 'muted'}</span>}
      {missing && !entry.ui?.mode && state !== 'failed' && (
        <span className="badge warn" title={`needs ${missing}`}>
          incomplete
        </span>
      )}
      <Notices id={id} />
      {missing === '' && <StateBadge id={id} state={state} />}
    </div>
  );
}

/** The ports that nothing feeds, as text. Inside another workflow parameters are wired from outside. */
function useMissing(id: string, entry: NodeEntry, def: Def | undefined): string {
  return useActive((tab) => {
    if (def === undefined) return '';
    const ports = missingPorts(def, entry);
    const open = tab.from === undefined ? ports : ports.filter((one) => !parameterOf(tab.line.now, id, one));
    return open.join(', ');
  }, '');
}

/** That the node has told something; a click shows what. */
function Notices({ id }: { id: string }) {
  const notices = useLive(id)?.notices ?? [];
  if (notices.length === 0) return null;
  return (
    <button
      type="button"
      className="badge notices nodrag"
      title={notices.join('\n')}
      aria-label={`${plural(notices.length, 'notice')} of ${id}`}
      onClick={() => useUi.setState({ problems: true })}
    >
      <Icon name="info" size={13} />
    </button>
  );
}

function StateBadge({ id, state }: { id: string; state: NodeState }) {
  const live = useLive(id);
  const story = useTabRun((run) => run.stories[id]);
  if (state === 'idle') return null;
  const items = (story?.steps ?? 0) + (story?.cached ?? 0);
  const over = live === undefined ? 0 : live.cached + live.done + live.failed;
  const counted = live !== undefined && items > 1 ? ` ${over}/${Math.max(items, over)}` : '';
  const time = state === 'done' && live && live.seconds > 0 ? ` ${duration(live.seconds)}` : '';
  const known = state === 'will' && typeof story?.seconds === 'number';
  const guess = known ? ` ~${duration(story.seconds ?? 0)}` : '';
  const expected = known ? [`about ${duration(story.seconds ?? 0)}, ${basisOf(story)}`] : [];
  const why =
    state === 'failed' ? (live?.message ?? '') : [...(story?.reasons ?? []), ...expected].join('\n');
  return (
    <span className={`badge state ${state}`} title={why} data-testid={`state-${id}`}>
      <span className="dot" aria-hidden="true" />
      {WORDS[state]}
      {counted}
      {time}
      {guess}
    </span>
  );
}

/** A line under the title that fills, with the time left. */
export function NodeProgress({ id, state }: { id: string; state: NodeState }) {
  const progress = useLive(id)?.progress;
  if (state !== 'running') return null;
  const share = progress ? progress.done / Math.max(1, progress.total) : undefined;
  return (
    <div
      className={`node-progress ${share === undefined ? 'unknown' : ''}`}
      role="progressbar"
      aria-label={`progress of ${id}`}
      aria-valuenow={progress?.done}
      aria-valuemax={progress?.total}
    >
      <div style={share === undefined ? undefined : { transform: `scaleX(${share})` }} />
      {progress && (
        <span>
          {progress.done}/{progress.total}
          <TimeLeft eta={progress.eta} at={progress.at} />
        </span>
      )}
    </div>
  );
}

/** Counts down between reports. */
function TimeLeft({ eta, at }: { eta: number | null; at: number }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), 1_000);
    return () => clearInterval(timer);
  }, []);
  if (eta === null) return null;
  return <> · {duration(Math.max(0, eta - (Date.now() - at) / 1_000))} left</>;
}
