/** Open tabs are kept in the browser, so that a reload, or a crash of the page, loses nothing. Windows of one browser share what a new one begins with. */

import { isWorkflow } from '../document/clipboard';
import { begin } from './history';
import { insideOf } from './levels';
import { runOf, updateRun } from './runs';
import { isDirty, useTabs, type Saved, type Tab, type View } from './tabs';
import { say } from './ui';

const KEY = 'graphflow.tabs';
const PAUSE_MS = 400;

interface KeptTab {
  readonly id: string;
  readonly title: string;
  readonly doc: unknown;
  readonly saved?: { readonly name: string; readonly version: string; readonly doc: unknown };
  readonly view?: View;
  readonly mode?: Tab['mode'];
  readonly run?: string;
  readonly from?: string;
  readonly node?: string;
  readonly readOnly?: boolean;
  readonly at?: string;
  readonly changed?: boolean;
}

function keptOf(tab: Tab): KeptTab {
  const { id, title, view, mode, saved, line, from, node, readOnly, at } = tab;
  const same = saved?.doc === line.now;
  return {
    id,
    title,
    doc: line.now,
    ...(saved && { saved: { name: saved.name, version: saved.version, doc: same ? null : saved.doc } }),
    ...(view && { view }),
    mode,
    run: runOf(id).run,
    from,
    node,
    readOnly,
    at,
    ...(saved === undefined && isDirty(tab) && { changed: true }),
  };
}

function tabOf(kept: KeptTab): Tab | undefined {
  if (!isWorkflow(kept.doc)) return undefined;
  const now = kept.doc;
  const saved: Saved | undefined = kept.saved && {
    name: kept.saved.name,
    version: kept.saved.version,
    doc: isWorkflow(kept.saved.doc) ? kept.saved.doc : now,
  };
  return {
    id: kept.id,
    title: kept.title,
    line: begin(now),
    saved,
    selection: new Set(),
    view: kept.view,
    mode: kept.mode ?? 'graph',
    stale: false,
    from: kept.from,
    node: kept.node,
    readOnly: kept.readOnly,
    at: kept.at,
    changed: kept.changed,
  };
}

export function restoreTabs(): void {
  try {
    const raw = JSON.parse(sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? 'null') as {
      tabs: KeptTab[];
      active: string;
    } | null;
    const tabs = (raw?.tabs ?? []).map(tabOf).filter((tab) => tab !== undefined);
    if (tabs.length === 0) return;
    const active = tabs.some((tab) => tab.id === raw?.active) ? (raw?.active ?? '') : '';
    useTabs.setState({ tabs, active });
    for (const kept of raw?.tabs ?? []) {
      const inside = insideOf(tabs, kept.id);
      if (kept.run || inside) updateRun(kept.id, (run) => ({ ...run, run: kept.run ?? '', inside }));
    }
  } catch {
    say('what was open could not be read back', 'bad');
  }
}

function write(): void {
  const { tabs, active } = useTabs.getState();
  try {
    const kept = JSON.stringify({ tabs: tabs.map(keptOf), active });
    sessionStorage.setItem(KEY, kept);
    localStorage.setItem(KEY, kept);
  } catch {
    say('the browser has no room to keep the open workflows', 'bad', 'save them on the server: Ctrl+S');
  }
}

/** Write after each change, when it has been quiet for a moment, and when the page goes. */
export function keepTabs(): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  useTabs.subscribe(() => {
    clearTimeout(timer);
    timer = setTimeout(write, PAUSE_MS);
  });
  addEventListener('pagehide', write);
}
