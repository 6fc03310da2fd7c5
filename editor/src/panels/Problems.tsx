/** What is wrong with the workflow or went wrong in the run; a click goes to the node. */

import { goTo } from '../canvas/stage';
import { useTabRun } from '../canvas/state';
import { Button } from '../parts/Button';
import { Icon } from '../parts/icons';
import { outer } from '../store/runs';
import { activeDoc, select } from '../store/tabs';
import { useUi } from '../store/ui';

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

export function Problems() {
  const open = useUi((state) => state.problems);
  const lines = useProblems();
  if (!open || lines.length === 0) return null;
  const jump = (node: string): void => {
    if (!Object.hasOwn(activeDoc().nodes, node)) return;
    select([node]);
    goTo(node);
  };
  return (
    <section className="problems" aria-label="problems">
      <header>
        <Icon name="warn" size={14} /> <b>{lines.length === 1 ? '1 problem' : `${lines.length} problems`}</b>
        <span className="spring" />
        <Button
          icon="close"
          label="close the list of problems"
          onClick={() => useUi.setState({ problems: false })}
        />
      </header>
      <ul>
        {lines.slice(0, 100).map((line, index) => (
          <li key={index}>
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
