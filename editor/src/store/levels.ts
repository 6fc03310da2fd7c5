/**
 * Workflows inside workflows. A tab that looks into a node of another tab stands on a level below it: both are one place on the
 * tab bar and share one canvas, and what runs is always the workflow of the outermost one, the root.
 */

import type { Tab } from './tabs';

type Tabs = readonly Tab[];

/** The way from the root down to a tab; empty if there is no such tab. */
export function chainOf(tabs: Tabs, id: string): Tab[] {
  const path: Tab[] = [];
  let tab = tabs.find((one) => one.id === id);
  while (tab !== undefined && !path.includes(tab)) {
    path.unshift(tab);
    const from = tab.from;
    tab = from === undefined ? undefined : tabs.find((one) => one.id === from);
  }
  return path;
}

export function rootOf(tabs: Tabs, id: string): Tab | undefined {
  return chainOf(tabs, id)[0];
}

/** A tab and all levels below it. */
export function family(tabs: Tabs, id: string): Tab[] {
  return tabs.filter((one) => chainOf(tabs, one.id).some((above) => above.id === id));
}

/** What the ids of a level's nodes begin with in a run of the root: `outer/inner/`; empty for a root. */
export function insideOf(tabs: Tabs, id: string): string {
  return chainOf(tabs, id)
    .slice(1)
    .map((level) => `${level.node}/`)
    .join('');
}

/** The level of a root that was seen last. */
export function shownLevel(tabs: Tabs, root: Tab): string {
  return tabs.some((one) => one.id === root.at) ? (root.at ?? root.id) : root.id;
}
