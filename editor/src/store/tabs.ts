/** Open workflows: each tab has its document with history, its selection and its view. */

import { create } from 'zustand';
import { restored } from '../document/off';
import { EMPTY, type Workflow } from '../document/types';
import { randomHex } from '../parts/random';
import { begin, redo, step, undo, type Timeline } from './history';
import { family, rootOf } from './levels';
import { say } from './ui';

export interface View {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

export interface Saved {
  /** The name under which the server keeps it. */
  readonly name: string;
  readonly version: string;
  readonly doc: Workflow;
}

export interface Tab {
  readonly id: string;
  readonly title: string;
  readonly line: Timeline<Workflow>;
  readonly saved: Saved | undefined;
  readonly selection: ReadonlySet<string>;
  readonly view: View | undefined;
  readonly mode: 'graph' | 'app';
  /** Another client saved a newer version. */
  readonly stale: boolean;
  /** For a level: the tab whose workflow has it as a node, and that node. See levels.ts. */
  readonly from?: string;
  readonly node?: string;
  /** It comes with graphflow: it can be looked at and duplicated. */
  readonly readOnly?: boolean;
  /** It was never saved, and was changed before this page knew it. */
  readonly changed?: boolean;
  /** For a root: the level that was seen last. */
  readonly at?: string;
}

interface State {
  tabs: readonly Tab[];
  active: string;
}

export const useTabs = create<State>(() => ({ tabs: [], active: '' }));

const NONE: ReadonlySet<string> = new Set();

export interface Opening {
  readonly title?: string;
  readonly saved?: Saved;
  readonly mode?: Tab['mode'];
  readonly activate?: boolean;
  readonly from?: string;
  readonly node?: string;
  readonly readOnly?: boolean;
  readonly changed?: boolean;
}

/** Nobody else has it: a draft on the server goes by it. */
export function newTabId(): string {
  return `tab-${randomHex(8)}`;
}

/** Tabs under other ids. */
export function renamed({ tabs, active }: State, ids: ReadonlyMap<string, string>): State {
  const name = (id: string): string => ids.get(id) ?? id;
  return {
    tabs: tabs.map((tab) => ({
      ...tab,
      id: name(tab.id),
      ...(tab.from !== undefined && { from: name(tab.from) }),
      ...(tab.at !== undefined && { at: name(tab.at) }),
    })),
    active: name(active),
  };
}

/** Open a document in a new tab; gives the tab's id. */
export function openTab(doc: Workflow, how: Opening = {}): string {
  const now = restored(doc);
  const tab: Tab = {
    id: newTabId(),
    title: how.title ?? (doc.name || 'untitled'),
    line: begin(now),
    saved: how.saved && { ...how.saved, doc: how.saved.doc === doc ? now : restored(how.saved.doc) },
    selection: NONE,
    view: undefined,
    mode: how.mode ?? 'graph',
    stale: false,
    ...(how.changed === true && { changed: true }),
    ...(how.from !== undefined && { from: how.from, node: how.node, readOnly: how.readOnly === true }),
  };
  useTabs.setState((state) => ({ tabs: [...state.tabs, tab] }));
  if (how.activate !== false) activate(tab.id);
  return tab.id;
}

/** Close a tab with all levels below it. */
export function closeTab(id: string): void {
  useTabs.setState((state) => {
    const gone = new Set(family(state.tabs, id).map((tab) => tab.id));
    const tabs = state.tabs.filter((tab) => !gone.has(tab.id));
    if (!gone.has(state.active)) return { tabs };
    const above = tabOf(state, id)?.from;
    const place = state.tabs.filter((tab) => tab.from === undefined).findIndex((tab) => tab.id === id);
    const roots = tabs.filter((tab) => tab.from === undefined);
    return { tabs, active: above ?? roots[Math.min(place, roots.length - 1)]?.id ?? '' };
  });
}

/** Show a tab; an empty id shows the first screen. */
export function activate(id: string): void {
  useTabs.setState((state) => {
    const root = rootOf(state.tabs, id);
    const tabs = state.tabs.map((tab) => (tab === root && tab.at !== id ? { ...tab, at: id } : tab));
    return { tabs, active: id };
  });
}

export function tabOf(state: State, id = state.active): Tab | undefined {
  return state.tabs.find((tab) => tab.id === id);
}

export function activeTab(): Tab | undefined {
  return tabOf(useTabs.getState());
}

export function activeDoc(): Workflow {
  return activeTab()?.line.now ?? EMPTY;
}

export function useActive<T>(pick: (tab: Tab) => T, otherwise: T): T {
  return useTabs((state) => {
    const tab = tabOf(state);
    return tab === undefined ? otherwise : pick(tab);
  });
}

export function useDoc(): Workflow {
  return useActive((tab) => tab.line.now, EMPTY);
}

export function updateTab(id: string, change: (tab: Tab) => Tab): void {
  useTabs.setState((state) => {
    let same = true;
    const tabs = state.tabs.map((tab) => {
      if (tab.id !== id) return tab;
      const next = change(tab);
      same &&= next === tab;
      return next;
    });
    return same ? state : { tabs };
  });
}

/** The one way to change a document, the open one if none is named. merge: see history.ts. */
export function edit(
  label: string,
  change: (doc: Workflow) => Workflow,
  merge = '',
  id = useTabs.getState().active,
): void {
  updateTab(id, (tab) => {
    if (tab.readOnly) {
      say('this workflow comes with graphflow and cannot be changed', 'info', 'duplicate it to edit it');
      return tab;
    }
    const line = step(tab.line, change(tab.line.now), label, merge);
    return line === tab.line ? tab : { ...tab, line, selection: existing(tab.selection, line.now) };
  });
}

export function travel(way: 'undo' | 'redo'): void {
  updateTab(useTabs.getState().active, (tab) => {
    const line = way === 'undo' ? undo(tab.line) : redo(tab.line);
    return line === tab.line ? tab : { ...tab, line, selection: existing(tab.selection, line.now) };
  });
}

export function select(ids: Iterable<string>): void {
  const next = new Set(ids);
  updateTab(useTabs.getState().active, (tab) =>
    equal(tab.selection, next) ? tab : { ...tab, selection: next },
  );
}

export function setView(id: string, view: View): void {
  updateTab(id, (tab) => ({ ...tab, view }));
}

/** Wires stand in the selection too, and are kept; what names a node or mark that is gone is not. */
function existing(selection: ReadonlySet<string>, doc: Workflow): ReadonlySet<string> {
  const there = (id: string): boolean => {
    if (id.startsWith('wire ')) return true;
    const [kind, mark] = id.split(':');
    if (mark === undefined) return Object.hasOwn(doc.nodes, id);
    const ui = doc.ui as Readonly<Record<string, object | undefined>> | undefined;
    return Object.hasOwn(ui?.[`${kind}s`] ?? {}, mark);
  };
  const left = [...selection].filter(there);
  return left.length === selection.size ? selection : new Set(left);
}

function equal(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((one) => b.has(one));
}

/** Whether a tab holds what no file holds. */
export function isDirty(tab: Tab): boolean {
  if (tab.saved === undefined) return tab.changed === true || tab.line.past.length > 0;
  return tab.saved.doc !== tab.line.now;
}
