/** Earlier results of a node, in all runs of the workflow that it stands in. */

import { useEffect, useState } from 'react';
import type { NodeResult } from '../connection/messages';
import { socket } from '../connection/socket';
import { own } from '../document/records';
import { defOf } from '../store/catalogue';
import { runOf } from '../store/runs';
import { nameOf } from '../store/session';
import { tabOf, useTabs } from '../store/tabs';
import { complain } from '../store/ui';
import type { Spot } from './sides';

const MOST = 24;

/** Undefined until the server has answered. Of a workflow used as a node they are those of the first node behind its outputs. */
export function useEarlier({ tab, node }: Spot): readonly NodeResult[] | undefined {
  const [told, setTold] = useState<{ of: string; results: readonly NodeResult[] }>();
  const of = `${tab} ${node}`;
  useEffect(() => {
    const there = tabOf(useTabs.getState(), tab);
    if (there === undefined) return;
    let wanted = true;
    const behind = defOf(own(there.line.now.nodes, node)?.type ?? '')?.behind?.[0];
    const path = runOf(tab).inside + (behind === undefined ? node : `${node}/${behind}`);
    socket
      .ask({ type: 'node_history', name: nameOf(there), node: path, limit: MOST }, 'node_results')
      .then(({ results }) => wanted && setTold({ of, results }), complain);
    return () => {
      wanted = false;
    };
  }, [of, tab, node]);
  return told?.of === of ? told.results : undefined;
}
