/** What is wrong with the workflow or went wrong in the run, and what nodes told people; a click goes to the node. */

import { goTo } from '../canvas/stage';
import { useTabRun } from '../canvas/state';
import { Button } from '../parts/Button';
import { Icon } from '../parts/icons';
import { plural } from '../parts/text';
import { outer } from '../store/runs';
import { activeDoc, select } from '../store/tabs';
import { useUi } from '../store/ui';

const SHOWN = 100;

interface Line {
  readonly node: string;
  readonly message: string;
  readonly hint: string;
  readonly place: string;
}

/** The node that a problem's path names. */
function nodeOf(path: string): string {
  const found = /^nodes\.([^.]+)/.exec(path)?.[1] ?? '';
  return outer(found);
}

const placeOf = (node: string, port: string): string => (port === '' ? node : `${node}.${port}`);

export function useProblems(): Line[] {
  const problems = useTabRun((run) => run.problems);
  const live = useTabRun((run) => run.live);
  const stories = useTabRun((run) => run.stories);
  const failed = Object.entries(live).filter(([, one]) => one.state === 'failed');
  return [
    ...problems.map((one) => ({
      node: nodeOf(one.path),
      message: one.message,
      hint: one.hint,
      place: one.path,
    })),
    ...failed.map(([node, one]) => ({
      node,
      message: one.message,
      hint: one.hint,
      place: placeOf(node, one.port),
    })),
    ...Object.entries(stories)
      .filter(([id, story]) => story.state === 'failed' && live[id]?.state !== 'failed')
      .map(([node, story]) => ({
        node,
        message: story.reasons[0] ?? 'cannot run',
        hint: story.hint,
        place: placeOf(node, story.port),
      })),
  ];
}

const NONE: readonly string[] = [];

/** What the run's nodes told people, and what is about none of them. */
export function useNotices(): Line[] {
  const live = useTabRun((run) => run.live);
  const others = useTabRun((run) => run.notices ?? NONE);
  const line = (node: string, message: string): Line => ({ node, message, hint: '', place: node || 'run' });
  return [
    ...Object.entries(live).flatMap(([node, one]) => one.notices.map((message) => line(node, message))),
    ...others.map((message) => line('', message)),
  ];
}

/** How many of each there are, in words. */
export function counted(problems: number, notices: number): string {
  return [problems > 0 && plural(problems, 'problem'), notices > 0 && plural(notices, 'notice')]
    .filter(Boolean)
    .join(', ');
}

export function Problems() {
  const open = useUi((state) => state.problems);
  const lines = useProblems();
  const notices = useNotices();
  if (!open || lines.length + notices.length === 0) return null;
  const jump = (node: string): void => {
    if (!Object.hasOwn(activeDoc().nodes, node)) return;
    select([node]);
    goTo(node);
  };
  return (
    <section className={lines.length > 0 ? 'problems' : 'problems mere-notices'} aria-label="problems">
      <header role="status">
        <Icon name={lines.length > 0 ? 'warn' : 'info'} size={14} />{' '}
        <b>{counted(lines.length, notices.length)}</b>
        <span className="spring" />
        <Button
          icon="close"
          label="close the list of problems"
          onClick={() => useUi.setState({ problems: false })}
        />
      </header>
      <ul>
        {[...lines.slice(0, SHOWN), ...notices.slice(0, SHOWN)].map((line, index) => (
          <li key={index} className={index < Math.min(lines.length, SHOWN) ? '' : 'notice-line'}>
            <button type="button" onClick={() => jump(line.node)}>
              <code>{line.place || 'workflow'}</code>
              <span>{line.message}</span>
              {line.hint && <small>{line.hint}</small>}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
