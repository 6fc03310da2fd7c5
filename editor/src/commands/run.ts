/** Run and cancel. */

import { useCatalogue } from '../store/catalogue';
import { isOver, runOf, useRuns } from '../store/runs';
import { cancel, submit } from '../store/session';
import { activeTab, useTabs } from '../store/tabs';
import { useUi } from '../store/ui';
import { chosenNodes } from './nodes';
import { saveLevels } from './saving';
import type { Command } from './types';

function underWay(): boolean {
  const { run } = runOf(useTabs.getState().active);
  return run !== '' && !isOver(useRuns.getState().runs[run]);
}

/** Levels are saved first: a run takes them as the server keeps them. */
async function run(targets: readonly string[] | null): Promise<void> {
  if (await saveLevels()) await submit(targets);
}

export const RUN: readonly Command[] = [
  {
    id: 'run.all',
    title: 'Run',
    group: 'Run',
    keys: 'Ctrl+Enter',
    everywhere: true,
    enabled: () => activeTab() !== undefined && useCatalogue.getState().ready,
    run: () => void run(null),
  },
  {
    id: 'run.here',
    title: 'Run to here',
    group: 'Run',
    keys: 'Ctrl+Shift+Enter',
    everywhere: true,
    enabled: () => chosenNodes().length > 0,
    run: () => void run(chosenNodes()),
  },
  {
    id: 'run.cancel',
    title: 'Cancel the run',
    group: 'Run',
    keys: 'Ctrl+.',
    everywhere: true,
    enabled: underWay,
    run: () => void cancel(),
  },
  {
    id: 'run.problems',
    title: 'Show problems',
    group: 'Run',
    keys: 'E',
    run: () => useUi.setState((state) => ({ problems: !state.problems })),
  },
];
