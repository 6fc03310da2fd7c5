/** Laying results over each other. */

import { givesPictures } from '../results/resultHeight';
import type { Side } from '../results/sides';
import { defOf } from '../store/catalogue';
import { resultsOf, runOf } from '../store/runs';
import { activeDoc, useTabs } from '../store/tabs';
import { openDialog } from '../store/ui';
import { chosenNodes } from './nodes';
import type { Command } from './types';

/** The newest result of each chosen node that has one to be looked at. */
function chosenSides(): Side[] {
  const { active } = useTabs.getState();
  return chosenNodes().flatMap((node): Side[] => {
    const def = defOf(activeDoc().nodes[node]?.type ?? '');
    const key = Object.values(resultsOf(runOf(active), node, def) ?? {})[0];
    return key === undefined || !givesPictures(def) ? [] : [{ tab: active, node, key }];
  });
}

/** Compare a result with another one, which is chosen there if none is given. */
export function compare(left: Side, right?: Side): void {
  openDialog('compare', { left, right });
}

export const COMPARE: readonly Command[] = [
  {
    id: 'node.compare',
    title: 'Compare results ...',
    group: 'Nodes',
    keys: 'V',
    enabled: () => chosenSides().length > 0 && chosenSides().length <= 2,
    run: () => {
      const [left, right] = chosenSides();
      if (left) compare(left, right);
    },
  },
];
