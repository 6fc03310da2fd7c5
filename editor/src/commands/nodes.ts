/** Commands on chosen nodes: switch off, collapse, group, align, notes. */

import { boxes, middle } from '../canvas/stage';
import { addGroup, addNote, GROUP_COLORS } from '../document/annotate';
import { align, bounds, distribute, type Side } from '../document/arrange';
import { moveTo, setUi, titleOf } from '../document/nodes';
import type { Mode } from '../document/types';
import { activeDoc, activeTab, edit, select } from '../store/tabs';
import { defOf, hasForm } from '../store/catalogue';
import { openDialog, useUi } from '../store/ui';
import { renameTitle } from './rename';
import type { Command } from './types';

/** The chosen nodes, without marks and wires. */
export function chosenNodes(): string[] {
  const tab = activeTab();
  return tab === undefined ? [] : [...tab.selection].filter((id) => Object.hasOwn(tab.line.now.nodes, id));
}

const some = (): boolean => chosenNodes().length > 0;
const one = (): boolean => chosenNodes().length === 1;
const several = (): boolean => (activeTab()?.selection.size ?? 0) > 1;
const open = (): boolean => activeTab() !== undefined;

function toggleMode(mode: Mode): void {
  const ids = chosenNodes();
  const on = ids.some((id) => activeDoc().nodes[id]?.ui?.mode !== mode);
  edit(on ? mode : 'switch on', (doc) =>
    ids.reduce((next, id) => setUi(next, id, { mode: on ? mode : undefined }), doc),
  );
}

function toggleCollapsed(): void {
  const ids = chosenNodes();
  const on = ids.some((id) => activeDoc().nodes[id]?.ui?.collapsed !== true);
  edit(on ? 'collapse' : 'expand', (doc) =>
    ids.reduce((next, id) => setUi(next, id, { collapsed: on ? true : undefined }), doc),
  );
}

function group(): void {
  const ids = activeTab()?.selection ?? new Set<string>();
  const box = bounds(boxes(ids).values(), 20) ?? { ...middle(), width: 320, height: 220 };
  const color =
    GROUP_COLORS[Object.keys(activeDoc().ui?.groups ?? {}).length % GROUP_COLORS.length] ?? GROUP_COLORS[0];
  let made = '';
  edit('group', (doc) => {
    const [next, id] = addGroup(doc, {
      ...box,
      y: box.y - 30,
      height: box.height + 30,
      title: 'Group',
      color,
    });
    made = id;
    return next;
  });
  select([made]);
}

function note(): void {
  const at = middle();
  let made = '';
  edit('add note', (doc) => {
    const [next, id] = addNote(doc, {
      x: Math.round(at.x),
      y: Math.round(at.y),
      width: 220,
      height: 110,
      text: '',
    });
    made = id;
    return next;
  });
  select([made]);
}

function rename(): void {
  const id = chosenNodes()[0];
  const entry = id === undefined ? undefined : activeDoc().nodes[id];
  if (id === undefined || entry === undefined) return;
  const own = defOf(entry.type)?.title ?? entry.type;
  openDialog('ask', {
    title: 'Title of the node',
    value: titleOf(entry, own),
    onAnswer: (text: string) => renameTitle(id, text.trim(), own),
  });
}

function aligned(side: Side): Command {
  return {
    id: `align.${side}`,
    title: `Align ${side}`,
    group: 'Nodes',
    enabled: several,
    run: () => edit(`align ${side}`, (doc) => moveTo(doc, align(boxes(activeTab()?.selection), side))),
  };
}

function distributed(way: 'x' | 'y'): Command {
  const word = way === 'x' ? 'horizontally' : 'vertically';
  return {
    id: `distribute.${way}`,
    title: `Distribute ${word}`,
    group: 'Nodes',
    enabled: () => (activeTab()?.selection.size ?? 0) > 2,
    run: () =>
      edit(`distribute ${word}`, (doc) => moveTo(doc, distribute(boxes(activeTab()?.selection), way))),
  };
}

function addHere(): void {
  const at = middle();
  const pane = document.querySelector('.canvas')?.getBoundingClientRect();
  const [x, y] = pane ? [pane.x + pane.width / 2 - 170, pane.y + pane.height / 4] : [200, 200];
  useUi.setState({ palette: { x, y, at } });
}

export const NODES: readonly Command[] = [
  {
    id: 'add.node',
    title: 'Add a node',
    group: 'Nodes',
    keys: 'A',
    also: ['Ctrl+Space'],
    enabled: open,
    run: addHere,
  },
  { id: 'add.note', title: 'Add a note', group: 'Nodes', keys: 'N', enabled: open, run: note },
  { id: 'node.group', title: 'Frame in a group', group: 'Nodes', keys: 'Ctrl+G', enabled: open, run: group },
  {
    id: 'node.bypass',
    title: 'Bypass',
    group: 'Nodes',
    keys: 'B',
    enabled: some,
    run: () => toggleMode('bypass'),
  },
  { id: 'node.mute', title: 'Mute', group: 'Nodes', keys: 'M', enabled: some, run: () => toggleMode('mute') },
  {
    id: 'node.collapse',
    title: 'Collapse or expand',
    group: 'Nodes',
    keys: 'X',
    enabled: some,
    run: toggleCollapsed,
  },
  { id: 'node.rename', title: 'Give a title', group: 'Nodes', keys: 'F2', enabled: one, run: rename },
  {
    id: 'node.form',
    title: 'Fill in as a form',
    group: 'Nodes',
    keys: 'Ctrl+E',
    enabled: () => one() && hasForm(activeDoc().nodes[chosenNodes()[0] ?? '']?.type ?? ''),
    run: () => openDialog('form', { node: chosenNodes()[0] }),
  },
  {
    id: 'node.connect',
    title: 'Connect to ...',
    group: 'Nodes',
    keys: 'C',
    enabled: one,
    run: () => openDialog('connect', { node: chosenNodes()[0] }),
  },
  ...(['left', 'centre', 'right', 'top', 'middle', 'bottom'] as const).map(aligned),
  distributed('x'),
  distributed('y'),
];
