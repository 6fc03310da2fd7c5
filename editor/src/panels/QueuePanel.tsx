/** What runs, waits and is over. Waiting runs are put in order by dragging or with the arrow keys. */

import { useEffect, useState, type DragEvent, type KeyboardEvent } from 'react';
import { runDocument } from '../connection/http';
import type { RunInfo } from '../connection/messages';
import { socket } from '../connection/socket';
import { openDocument } from '../commands/files';
import { Button } from '../parts/Button';
import { Icon } from '../parts/icons';
import { ago, duration } from '../parts/text';
import { isOver, useRuns } from '../store/runs';
import { cancel, follow, nameOf } from '../store/session';
import { useActive } from '../store/tabs';
import { complain } from '../store/ui';

const ENDED = 60;

async function lookUp(): Promise<void> {
  const told = (await (await fetch('/api/runs')).json()) as { queue: RunInfo[]; ended: RunInfo[] };
  useRuns.setState((state) => ({
    runs: {
      ...state.runs,
      ...Object.fromEntries([...told.ended, ...told.queue].map((run) => [run.run, run])),
    },
    order: told.queue.map((run) => run.run),
  }));
}

export function QueuePanel() {
  const runs = useRuns((state) => state.runs);
  const paused = useRuns((state) => state.paused);
  const order = useRuns((state) => state.order);
  const [dragged, setDragged] = useState('');
  const [own, setOwn] = useState(false);
  const name = useActive(nameOf, '');
  const open = Object.values(runs).filter((run) => !isOver(run)).length;
  useEffect(() => {
    lookUp().catch(() => undefined);
  }, [open]);
  const rank = (run: RunInfo): number => {
    const place = order.indexOf(run.run);
    return place < 0 ? Number.MAX_SAFE_INTEGER : place;
  };
  const waiting = Object.values(runs)
    .filter((run) => run.state === 'queued')
    .sort((a, b) => rank(a) - rank(b) || a.accepted - b.accepted);
  const running = Object.values(runs).filter((run) => run.state === 'running');
  const ended = Object.values(runs)
    .filter((run) => isOver(run) && (!own || run.name === name))
    .sort((a, b) => (b.ended ?? 0) - (a.ended ?? 0))
    .slice(0, ENDED);
  const move = (run: string, before: string | null): void => {
    socket.ask({ type: 'move', run, before }, 'done').then(lookUp).catch(complain);
  };
  const onKey = (event: KeyboardEvent, place: number): void => {
    const way = event.key === 'ArrowUp' ? -1 : event.key === 'ArrowDown' ? 1 : 0;
    const run = waiting[place];
    if (!event.altKey || way === 0 || run === undefined) return;
    event.preventDefault();
    move(run.run, way < 0 ? (waiting[place - 1]?.run ?? null) : (waiting[place + 2]?.run ?? null));
  };
  return (
    <>
      <div className="panel-tools">
        <Button
          icon={paused ? 'play' : 'pause'}
          label={paused ? 'Go on' : 'Pause the queue'}
          onClick={() => void socket.ask({ type: 'pause', on: !paused }, 'done').catch(complain)}
        >
          {paused ? 'Go on' : 'Pause'}
        </Button>
        <Button
          icon="stop"
          label="Cancel all"
          disabled={open === 0}
          onClick={() => void socket.ask({ type: 'cancel', run: null }, 'done').catch(complain)}
        >
          Cancel all
        </Button>
      </div>
      <div className="scroll">
        {running.map((run) => (
          <Row key={run.run} run={run} />
        ))}
        <ol className="waiting-runs" aria-label="waiting runs">
          {waiting.map((run, place) => (
            <li
              key={run.run}
              draggable
              tabIndex={0}
              aria-label={`${run.name}, waiting, place ${place + 1}; Alt and arrow keys move it`}
              onKeyDown={(event) => onKey(event, place)}
              onDragStart={() => setDragged(run.run)}
              onDragOver={(event: DragEvent) => event.preventDefault()}
              onDrop={() => dragged && dragged !== run.run && move(dragged, run.run)}
            >
              <Row run={run} handle />
            </li>
          ))}
        </ol>
        <h3 className="plain over">
          Over
          {name !== '' && (
            <label>
              <input type="checkbox" checked={own} onChange={(event) => setOwn(event.target.checked)} /> this
              workflow alone
            </label>
          )}
        </h3>
        {ended.map((run) => (
          <Row key={run.run} run={run} />
        ))}
        {running.length + waiting.length + ended.length === 0 && <p className="empty">nothing has run yet</p>}
      </div>
    </>
  );
}

/** Open the document of a run; one that is not over yet is watched there. */
async function openRun({ run, name }: RunInfo): Promise<void> {
  try {
    const tab = await openDocument(await runDocument(run), name || 'run');
    if (!isOver(useRuns.getState().runs[run])) await follow(tab, run);
  } catch (error) {
    complain(error);
  }
}

function Row({ run, handle }: { run: RunInfo; handle?: boolean }) {
  const took = run.started && run.ended ? duration(run.ended - run.started) : '';
  const over = isOver(run);
  return (
    <div className={`run-row ${run.state}`}>
      {handle && <Icon name="drag" size={13} />}
      <button
        type="button"
        className="tile"
        title={run.message || (over ? 'open the workflow as it ran' : 'open the workflow and watch it')}
        onClick={() => void openRun(run)}
      >
        <span>{run.name || 'unnamed'}</span>
        <small>
          {run.state}
          {took && ` · ${took}`}
          {run.ended && ` · ${ago(run.ended)}`}
        </small>
      </button>
      {over ? (
        run.state !== 'finished' && (
          <Button
            icon="reset"
            label={`run ${run.name} again`}
            onClick={() => void socket.ask({ type: 'retry', run: run.run }, 'accepted').catch(complain)}
          />
        )
      ) : (
        <Button icon="close" label={`cancel ${run.name}`} onClick={() => void cancel(run.run)} />
      )}
    </div>
  );
}
