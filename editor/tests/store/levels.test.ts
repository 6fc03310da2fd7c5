import { beforeEach, expect, it } from 'vitest';
import type { Event } from '../../src/connection/messages';
import { EMPTY } from '../../src/document/types';
import { chainOf, family, insideOf, rootOf, shownLevel } from '../../src/store/levels';
import {
  clouded,
  happened,
  IDLE,
  joined,
  refused,
  runOf,
  stateOf,
  useRuns,
  watched,
} from '../../src/store/runs';
import { activate, activeTab, closeTab, edit, openTab, useTabs } from '../../src/store/tabs';
import { useUi } from '../../src/store/ui';
import { story, told } from './stories';

const tabs = () => useTabs.getState().tabs;
const root = () => tabs()[0]!;

/** A workflow, a look into its node `w`, and from there into `x`. */
function opened(): { outer: string; inner: string; innermost: string } {
  const outer = openTab(EMPTY, { title: 'outer' });
  const inner = openTab(EMPTY, { title: 'part', from: outer, node: 'w' });
  const innermost = openTab(EMPTY, { title: 'given', from: inner, node: 'x', readOnly: true });
  return { outer, inner, innermost };
}

beforeEach(() => {
  useTabs.setState({ tabs: [], active: '' });
  useRuns.setState({ runs: {}, tabs: {} });
});

it('levels stand below the workflow that they are a part of', () => {
  const { outer, inner, innermost } = opened();
  const other = openTab(EMPTY);
  expect(chainOf(tabs(), innermost).map((tab) => tab.id)).toEqual([outer, inner, innermost]);
  expect(rootOf(tabs(), innermost)?.id).toBe(outer);
  expect(insideOf(tabs(), innermost)).toBe('w/x/');
  expect(insideOf(tabs(), outer)).toBe('');
  expect(family(tabs(), outer)).toHaveLength(3);
  expect(family(tabs(), other)).toHaveLength(1);
});

it('a workflow is shown again at the level that was left open', () => {
  const { outer, inner } = opened();
  activate(inner);
  openTab(EMPTY);
  expect(shownLevel(tabs(), root())).toBe(inner);
  closeTab(inner);
  expect(shownLevel(tabs(), root())).toBe(outer);
});

it('closing a workflow closes the levels below it, and shows the workflow around or beside', () => {
  const beside = openTab(EMPTY);
  const { outer, inner, innermost } = opened();
  activate(innermost);
  closeTab(inner);
  expect(activeTab()?.id).toBe(outer);
  closeTab(outer);
  expect(tabs().map((tab) => tab.id)).toEqual([beside]);
  expect(activeTab()?.id).toBe(beside);
});

it('what comes with graphflow is not changed', () => {
  opened();
  edit('name', (doc) => ({ ...doc, name: 'other' }));
  expect(activeTab()?.line.now).toBe(EMPTY);
  expect(useUi.getState().toasts.at(-1)?.hint).toMatch(/duplicate/);
});

it('a level shows its part of what would run', () => {
  useRuns.setState({ tabs: { outer: { ...IDLE, results: { 'w/a': { '': 'k' }, a: { '': 'l' } } } } });
  joined('inner', 'w/', runOf('outer'));
  expect(runOf('inner').results).toEqual({ a: { '': 'k' } });
  const nodes = [story('a', 'failed'), story('w/a', 'run'), story('w/x/b', 'cached', { keys: { '': 'm' } })];
  told('inner', nodes, { 'w/a': { out: 'int' }, a: { out: 'str' } });
  expect(stateOf(runOf('inner'), 'a', true)).toBe('will');
  expect(stateOf(runOf('inner'), 'x', true)).toBe('cached');
  expect(runOf('inner').results['x/b']).toEqual({ '': 'm' });
  expect(runOf('inner').types).toEqual({ a: { out: 'int' } });
  clouded('inner');
  expect(stateOf(runOf('inner'), 'a', true)).toBe('idle');
});

it('a level hears its part of a run', () => {
  joined('inner', 'w/', IDLE);
  watched('inner', 'r');
  const base = { run: 'r', seq: 1, time: 0, item: [] as number[], type: 'node.started' as const };
  happened({ ...base, node: 'a' } as Event);
  expect(stateOf(runOf('inner'), 'a', false)).toBe('waiting');
  happened({ ...base, node: 'w/a' } as Event);
  expect(stateOf(runOf('inner'), 'a', false)).toBe('running');
});

it('problems of a level have their place in it, others are said to lie outside', () => {
  joined('inner', 'w/', IDLE);
  const problem = (path: string) => ({ code: 'c', path, message: 'm', hint: '' });
  refused('inner', [problem('nodes.w/a.inputs.x'), problem('nodes.a.inputs.x')]);
  expect(runOf('inner').problems.map((one) => one.path)).toEqual([
    'nodes.a.inputs.x',
    'outside: nodes.a.inputs.x',
  ]);
});
