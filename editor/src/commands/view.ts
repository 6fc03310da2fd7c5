/** What is seen: zoom, layout, panels, theme. */

import { autoLayout } from '../canvas/layout';
import { fit, focusedNode, goTo, nodesInOrder, visit, zoom } from '../canvas/stage';
import { shownLevel } from '../store/levels';
import { activate, activeTab, select, updateTab, useTabs } from '../store/tabs';
import { openDialog, togglePanel, useUi } from '../store/ui';
import type { Command } from './types';

const open = (): boolean => activeTab() !== undefined;

function cycle(way: 1 | -1): void {
  const { tabs, active } = useTabs.getState();
  const roots = tabs.filter((tab) => tab.from === undefined);
  const ids = ['', ...roots.map((root) => shownLevel(tabs, root))];
  activate(ids[(ids.indexOf(active) + way + ids.length) % ids.length] ?? '');
}

/** Choose the next node in the order in which the graph is read, wherever it lies. */
function walk(way: 1 | -1): void {
  const ids = nodesInOrder();
  const from = focusedNode() ?? [...(activeTab()?.selection ?? [])].find((id) => ids.includes(id));
  const at = from === undefined ? -1 : ids.indexOf(from);
  const next = ids[at < 0 ? (way > 0 ? 0 : ids.length - 1) : (at + way + ids.length) % ids.length];
  if (next === undefined) return;
  select([next]);
  visit(next);
}

const PARTS = '.top, .side, main, .problems, .inspector';
const FOCUSABLE = 'button:not(:disabled), input, select, textarea, [tabindex="0"]';

/** Give the focus to the next part of the page; in the graph to the chosen node. */
function nextPart(way: 1 | -1): void {
  const parts = [...document.querySelectorAll<HTMLElement>(PARTS)];
  const at = parts.findLastIndex((part) => part.contains(document.activeElement));
  const part = parts[(at < 0 && way < 0 ? parts.length - 1 : at + way + parts.length) % parts.length];
  const chosen = part?.querySelector<HTMLElement>('.react-flow__node.selected, .react-flow__node');
  (chosen ?? part?.querySelector<HTMLElement>(FOCUSABLE))?.focus();
}

export function toggleMode(): void {
  const tab = activeTab();
  if (tab) updateTab(tab.id, (one) => ({ ...one, mode: one.mode === 'graph' ? 'app' : 'graph' }));
}

export const VIEW: readonly Command[] = [
  { id: 'view.fit', title: 'Show all', group: 'View', keys: 'F', enabled: open, run: () => fit() },
  {
    id: 'view.selection',
    title: 'Show what is selected',
    group: 'View',
    keys: 'Shift+F',
    enabled: () => (activeTab()?.selection.size ?? 0) > 0,
    run: () => fit(activeTab()?.selection),
  },
  {
    id: 'view.goTo',
    title: 'Go to the selected node',
    group: 'View',
    keys: '.',
    enabled: () => (activeTab()?.selection.size ?? 0) > 0,
    run: () => goTo([...(activeTab()?.selection ?? [])][0] ?? ''),
  },
  {
    id: 'view.in',
    title: 'Zoom in',
    group: 'View',
    keys: '+',
    also: ['='],
    enabled: open,
    run: () => zoom('in'),
  },
  { id: 'view.out', title: 'Zoom out', group: 'View', keys: '-', enabled: open, run: () => zoom('out') },
  {
    id: 'view.one',
    title: 'Zoom to 100 %',
    group: 'View',
    keys: '1',
    enabled: open,
    run: () => zoom('reset'),
  },
  {
    id: 'view.layout',
    title: 'Arrange the graph',
    group: 'View',
    keys: 'L',
    enabled: open,
    run: () => void autoLayout(),
  },
  {
    id: 'view.app',
    title: 'Graph or app view',
    group: 'View',
    keys: 'G',
    enabled: open,
    run: toggleMode,
  },
  {
    id: 'view.nodes',
    title: 'List of nodes',
    group: 'View',
    keys: 'P',
    run: () => togglePanel('nodes'),
  },
  {
    id: 'view.workflows',
    title: 'Workflows',
    group: 'View',
    keys: 'W',
    run: () => togglePanel('workflows'),
  },
  {
    id: 'view.queue',
    title: 'Queue and earlier runs',
    group: 'View',
    keys: 'Q',
    run: () => togglePanel('queue'),
  },
  {
    id: 'view.search',
    title: 'Find in the graph',
    group: 'View',
    keys: 'Ctrl+F',
    everywhere: true,
    enabled: open,
    run: () => togglePanel('search'),
  },
  {
    id: 'view.inspector',
    title: 'Inspector',
    group: 'View',
    keys: 'I',
    run: () => useUi.setState((state) => ({ inspector: !state.inspector })),
  },
  {
    id: 'view.minimap',
    title: 'Overview map',
    group: 'View',
    run: () => useUi.setState((state) => ({ minimap: !state.minimap })),
  },
  {
    id: 'view.snap',
    title: 'Snap to the grid',
    group: 'View',
    run: () => useUi.setState((state) => ({ snap: !state.snap })),
  },
  {
    id: 'view.theme',
    title: 'Dark or light',
    group: 'View',
    run: () => useUi.setState((state) => ({ theme: state.theme === 'dark' ? 'light' : 'dark' })),
  },
  {
    id: 'view.nextNode',
    title: 'Next node along the wires',
    group: 'View',
    keys: 'J',
    enabled: open,
    run: () => walk(1),
  },
  {
    id: 'view.previousNode',
    title: 'Previous node along the wires',
    group: 'View',
    keys: 'K',
    enabled: open,
    run: () => walk(-1),
  },
  {
    id: 'view.nextPart',
    title: 'Next part of the page',
    group: 'View',
    keys: 'F6',
    everywhere: true,
    run: () => nextPart(1),
  },
  {
    id: 'view.previousPart',
    title: 'Previous part of the page',
    group: 'View',
    keys: 'Shift+F6',
    everywhere: true,
    run: () => nextPart(-1),
  },
  { id: 'view.home', title: 'First screen', group: 'View', keys: 'Ctrl+Home', run: () => activate('') },
  {
    id: 'view.next',
    title: 'Next tab',
    group: 'View',
    keys: 'Alt+PageDown',
    everywhere: true,
    run: () => cycle(1),
  },
  {
    id: 'view.previous',
    title: 'Previous tab',
    group: 'View',
    keys: 'Alt+PageUp',
    everywhere: true,
    run: () => cycle(-1),
  },
  {
    id: 'help.commands',
    title: 'All commands',
    group: 'Help',
    keys: 'Ctrl+K',
    also: ['F1'],
    everywhere: true,
    run: () => openDialog('commands'),
  },
  { id: 'help.keys', title: 'Keys', group: 'Help', keys: '?', run: () => openDialog('keys') },
];
