/** The line below: connection, what a run would take, what is wrong. */

import { useQueued, useTabRun, useUnderWay } from '../canvas/state';
import { counted, useNotices, useProblems } from '../panels/Problems';
import { duration, plural, size } from '../parts/text';
import { useCatalogue } from '../store/catalogue';
import { useRuns, isOver } from '../store/runs';
import { useSession } from '../store/session';
import { useDoc, useTabs } from '../store/tabs';
import { useUi } from '../store/ui';

const WORDS = {
  open: 'connected',
  connecting: 'connecting ...',
  lost: 'no connection; trying again',
  refused: 'not allowed in',
} as const;

export function StatusBar() {
  const status = useSession((state) => state.status);
  const version = useSession((state) => state.version);
  const active = useTabs((state) => state.active);
  const ready = useCatalogue((state) => state.ready);
  return (
    <footer className="status" aria-label="status">
      <span className={`link ${status}`} role="status">
        <span className="dot" aria-hidden="true" />
        {status === 'open' && !ready ? 'reading the nodes ...' : WORDS[status]}
      </span>
      {status === 'refused' && <span>open the address that the server printed, it carries the token</span>}
      {active !== '' && <Forecast />}
      <span className="spring" />
      {active !== '' && <Counts />}
      <Waiting />
      {version && <span className="faint">graphflow {version}</span>}
    </footer>
  );
}

/** What a run would take, or how far the run is. */
function Forecast() {
  const total = useTabRun((run) => run.total);
  const live = useTabRun((run) => run.live);
  const running = useUnderWay();
  const queued = useQueued();
  const problems = useProblems();
  const notices = useNotices();
  const empty = Object.keys(useDoc().nodes).length === 0;
  const wrong = problems.length + notices.length > 0 && (
    <button
      type="button"
      className={problems.length > 0 ? 'wrong' : 'told-notices'}
      onClick={() => useUi.setState((state) => ({ problems: !state.problems }))}
    >
      {counted(problems.length, notices.length)}
    </button>
  );
  if (running) {
    const done = Object.values(live).reduce((sum, one) => sum + one.done + one.failed, 0);
    return (
      <>
        <span>
          {queued
            ? 'waiting in the queue'
            : `running${total ? `: ${done} of ${plural(total.steps, 'step')}` : ''}`}
        </span>
        {wrong}
      </>
    );
  }
  if (total === undefined || empty) return wrong || null;
  const parts = [
    total.steps === 0
      ? problems.length > 0
        ? ''
        : 'nothing to run: all is in the cache'
      : `${plural(total.steps, 'step')} will run`,
    total.steps > 0 && total.cached > 0 ? `${total.cached} cached` : '',
    total.steps > 0 && total.seconds !== null
      ? `about ${duration(total.seconds)}${total.unknown > 0 ? ' or more' : ''}`
      : '',
    total.steps > 0 && total.device_bytes ? `${size(total.device_bytes)} of memory` : '',
  ];
  return (
    <>
      <span data-testid="forecast">{parts.filter(Boolean).join(' · ')}</span>
      {wrong}
    </>
  );
}

function Counts() {
  const doc = useDoc();
  return <span className="faint">{plural(Object.keys(doc.nodes).length, 'node')}</span>;
}

function Waiting() {
  const waiting = useRuns((state) => Object.values(state.runs).filter((run) => !isOver(run)).length);
  const paused = useRuns((state) => state.paused);
  if (waiting === 0 && !paused) return null;
  return (
    <button type="button" onClick={() => useUi.setState({ panel: 'queue' })}>
      {paused ? 'queue paused' : ''} {waiting > 0 ? `${plural(waiting, 'run')} in the queue` : ''}
    </button>
  );
}
