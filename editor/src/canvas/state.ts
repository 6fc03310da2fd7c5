/** How nodes of the open workflow stand, for components. */

import type { Live, NodeState } from '../store/live';
import { useRuns, IDLE, isOver, stateOf, type TabRun } from '../store/runs';
import { useTabs } from '../store/tabs';

export function useTabRun<T>(pick: (run: TabRun) => T): T {
  const tab = useTabs((state) => state.active);
  return useRuns((state) => pick(state.tabs[tab] ?? IDLE));
}

/** Whether the run that the open workflow watches is not over. */
export function useUnderWay(): boolean {
  const tab = useTabs((state) => state.active);
  return useRuns((state) => {
    const run = state.tabs[tab]?.run ?? '';
    return run !== '' && !isOver(state.runs[run]);
  });
}

export function useNodeState(id: string): NodeState {
  const tab = useTabs((state) => state.active);
  return useRuns((state) => {
    const run = state.tabs[tab] ?? IDLE;
    return stateOf(run, id, run.run === '' || isOver(state.runs[run.run]));
  });
}

export function useLive(id: string): Live | undefined {
  return useTabRun((run) => run.live[id]);
}

/** Whether the run waits in the queue. */
export function useQueued(): boolean {
  const tab = useTabs((state) => state.active);
  return useRuns((state) => state.runs[state.tabs[tab]?.run ?? '']?.state === 'queued');
}
