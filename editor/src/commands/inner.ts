/** Workflows as nodes: make one of the chosen nodes, look into one, put its nodes back. */

import { workflow } from '../connection/http';
import { Refusal, socket } from '../connection/socket';
import { collapse, expand } from '../document/inner';
import { isInner, nameOfInner } from '../schema/inner';
import { defOf, forgetInner } from '../store/catalogue';
import { activeDoc, activeTab, edit, select } from '../store/tabs';
import { complain, openDialog, say } from '../store/ui';
import { autoLayoutIfBare } from '../canvas/layout';
import { enter, leave } from './levels';
import { chosenNodes } from './nodes';
import { innerName, innerNameProblem } from './saving';
import type { Command } from './types';

/** The chosen node, if it is a workflow. */
function innerNode(): string | undefined {
  const [id, more] = chosenNodes();
  const type = id === undefined ? undefined : activeDoc().nodes[id]?.type;
  return more === undefined && type !== undefined && isInner(type) ? id : undefined;
}

const nameOfNode = (id: string): string => nameOfInner(activeDoc().nodes[id]?.type ?? '');

async function collapseAs(name: string): Promise<void> {
  const problem = innerNameProblem(name);
  if (problem !== '') {
    say(problem, 'bad');
    return;
  }
  try {
    const doc = activeDoc();
    const made = collapse(doc, new Set(chosenNodes()), name);
    await socket.ask(
      { type: 'save', name, document: made.inner as unknown as Record<string, unknown>, seen: null },
      'saved',
    );
    forgetInner(name, made.inner);
    edit('collapse into a workflow', (now) => (now === doc ? made.outer : now));
    select([made.id]);
  } catch (error) {
    if (error instanceof Refusal && error.code === 'workflow.conflict')
      say(`there is a workflow ${name} already`, 'bad', 'take another name');
    else complain(error);
  }
}

async function expandNode(id: string): Promise<void> {
  try {
    const inner = await autoLayoutIfBare(await workflow(nameOfNode(id)));
    edit('expand the workflow', (doc) => expand(doc, id, inner));
  } catch (error) {
    complain(error);
  }
}

export const INNER: readonly Command[] = [
  {
    id: 'workflow.collapse',
    title: 'Collapse into a workflow ...',
    group: 'Nodes',
    keys: 'Ctrl+Shift+G',
    enabled: () =>
      chosenNodes().length > 0 && chosenNodes().every((id) => defOf(activeDoc().nodes[id]?.type ?? '')),
    run: () =>
      openDialog('ask', {
        title: 'Name of the new workflow',
        value: 'part',
        check: innerNameProblem,
        onAnswer: (name: string) => void collapseAs(innerName(name)),
      }),
  },
  {
    id: 'workflow.expand',
    title: 'Put the nodes of this workflow here',
    group: 'Nodes',
    enabled: () => innerNode() !== undefined,
    run: () => void expandNode(innerNode() ?? ''),
  },
  {
    id: 'workflow.enter',
    title: 'Look into this workflow',
    group: 'Nodes',
    keys: 'Ctrl+ArrowDown',
    enabled: () => innerNode() !== undefined,
    run: () => void enter(innerNode() ?? ''),
  },
  {
    id: 'workflow.leave',
    title: 'Back to the workflow around',
    group: 'Nodes',
    keys: 'Ctrl+ArrowUp',
    enabled: () => activeTab()?.from !== undefined,
    run: leave,
  },
  {
    id: 'node.history',
    title: 'Earlier results of this node',
    group: 'Nodes',
    keys: 'H',
    enabled: () => chosenNodes().length === 1,
    run: () => openDialog('history', { node: chosenNodes()[0] }),
  },
];
