/** The nodes of all open workflows whose results can be looked at beside each other. */

import { titleOf } from '../document/nodes';
import { defOf } from '../store/catalogue';
import { chainOf } from '../store/levels';
import { IDLE, resultsOf, useRuns } from '../store/runs';
import { useTabs } from '../store/tabs';
import { givesPictures } from './resultHeight';
import type { Side, Spot } from './sides';

export interface SpotChoice extends Spot {
  readonly title: string;
  /** The workflow that the node stands in, with those around it. */
  readonly group: string;
  /** Newest results by item. */
  readonly keys: Readonly<Record<string, string>>;
}

/** Nodes of the open workflow come first. */
export function spots(): SpotChoice[] {
  const { tabs, active } = useTabs.getState();
  const runs = useRuns.getState().tabs;
  const ordered = [...tabs].sort((a, b) => Number(b.id === active) - Number(a.id === active));
  return ordered.flatMap((tab) => {
    const group = chainOf(tabs, tab.id)
      .map((level) => level.title.replaceAll('_', ' '))
      .join(' / ');
    return Object.entries(tab.line.now.nodes).flatMap(([node, entry]): SpotChoice[] => {
      const def = defOf(entry.type);
      if (!givesPictures(def)) return [];
      const keys = resultsOf(runs[tab.id] ?? IDLE, node, def) ?? {};
      return [{ tab: tab.id, node, title: `${titleOf(entry, def?.title ?? '')} (${node})`, group, keys }];
    });
  });
}

/** The newest result of each node that has one. */
export function newest(choices: readonly SpotChoice[]): Side[] {
  return choices.flatMap(({ tab, node, keys }) => {
    const key = Object.values(keys)[0];
    return key === undefined ? [] : [{ tab, node, key }];
  });
}
