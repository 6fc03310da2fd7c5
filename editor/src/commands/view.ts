/** What is seen: zoom, layout, panels, theme. */

import { autoLayout } from '../canvas/layout';
import { fit, goTo, zoom } from '../canvas/stage';
import { shownLevel } from '../store/levels';
import { activate, activeTab, updateTab, useTabs } from '../store/tabs';
import { openDialog, togglePanel, useUi } from '../store/ui';
import type { Command } from './types';

const open = (): boolean => activeTab() !== undefined;

function cycle(way: 1 | -1): void {
  const { tabs, active } = useTabs.getState();
  const roots = tabs.filter((tab) => tab.from === undefined);
  const ids = ['', ...roots.map((root) => shownLevel(tabs, root))];
  activate(ids[(ids.indexOf(active) + way + ids.length) % ids.length] ?? '');
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
