import { beforeEach, describe, expect, it } from 'vitest';
import type { Event, RunInfo } from '../../src/connection/messages';
import {
  accepted,
  caughtUp,
  faultAt,
  happened,
  IDLE,
  queueChanged,
  refused,
  resultsOf,
  runOf,
  settledRun,
  stateOf,
  useRuns,
  watched,
} from '../../src/store/runs';
import { story, told } from './stories';

const TAB = 'tab';
const KEY = 'k'.repeat(64);
const base = { run: 'r', seq: 1, time: 0, item: [] as number[] };

const state = (node: string, over = false): string => stateOf(runOf(TAB), node, over);
const say = (event: Partial<Event> & { type: Event['type'] }): void =>
  happened({ ...base, ...event } as Event);

beforeEach(() => useRuns.setState({ runs: {}, tabs: { [TAB]: IDLE } }));

describe('before a run', () => {
  it('nodes are as explain foresees them', () => {
    told(TAB, [
      story('a', 'cached', { keys: { '': KEY } }),
      story('b', 'run'),
      story('c', 'waiting'),
      story('d', 'folded'),
    ]);
    expect(['a', 'b', 'c', 'd'].map((id) => state(id, true))).toEqual(['cached', 'will', 'will', 'idle']);
    expect(runOf(TAB).results.a).toEqual({ '': KEY });
  });

  it('nodes inside a workflow stand together under its node', () => {
    told(TAB, [
      story('w/a', 'cached'),
      story('w/b', 'run', { seconds: 2 }),
      story('w/c', 'run', { seconds: 3 }),
    ]);
    expect(state('w', true)).toBe('will');
    expect(runOf(TAB).stories.w).toMatchObject({ steps: 3, seconds: 5 });
  });

  it('what is told again is not drawn again', () => {
    told(TAB, [story('a', 'run'), story('b', 'run')]);
    const before = runOf(TAB).stories;
    told(TAB, [story('a', 'run'), story('b', 'cached')]);
    expect(runOf(TAB).stories.a).toBe(before.a);
    expect(runOf(TAB).stories.b).not.toBe(before.b);
  });
});

describe('during a run', () => {
  it('is told to run, though news of the queue come late', () => {
    const info = (is: RunInfo['state']) => ({ run: 'r', state: is }) as RunInfo;
    queueChanged(info('running'));
    accepted(info('queued'));
    expect(useRuns.getState().runs.r?.state).toBe('running');
    queueChanged(info('queued'));
    say({ type: 'run.started' });
    expect(useRuns.getState().runs.r?.state).toBe('running');
    accepted({ ...info('queued'), run: 'other' });
    expect(useRuns.getState().runs.other?.state).toBe('queued');
  });

  beforeEach(() => {
    told(TAB, [story('a', 'cached'), story('b', 'run'), story('c', 'run')]);
    watched(TAB, 'r');
  });

  it('nodes follow the events', () => {
    expect(['a', 'b'].map((id) => state(id))).toEqual(['cached', 'waiting']);
    say({ type: 'node.started', node: 'b' });
    say({ type: 'node.progress', node: 'b', done: 2, total: 5, eta: 3 });
    expect(state('b')).toBe('running');
    expect(runOf(TAB).live.b?.progress).toMatchObject({ done: 2, total: 5, eta: 3 });
    say({ type: 'node.finished', node: 'b', seconds: 1.5, key: KEY });
    expect([state('b'), runOf(TAB).live.b?.seconds]).toEqual(['done', 1.5]);
    expect(runOf(TAB).results.b).toEqual({ '': KEY });
  });

  it('items of a node are counted together', () => {
    say({ type: 'node.started', node: 'b', item: [0] });
    say({ type: 'node.started', node: 'b', item: [1] });
    say({ type: 'node.finished', node: 'b', item: [0], key: 'x', seconds: 1 });
    expect(state('b')).toBe('running');
    say({ type: 'node.failed', node: 'b', item: [1], message: 'no', hint: 'do' });
    expect([state('b'), runOf(TAB).live.b?.message]).toEqual(['failed', 'no']);
    expect(runOf(TAB).results.b).toEqual({ '0': 'x' });
  });

  it('events of other runs are not ours', () => {
    happened({ ...base, run: 'other', type: 'node.started', node: 'b' });
    expect(state('b')).toBe('waiting');
  });

  it('one message stands for all that was missed', () => {
    caughtUp({
      type: 'snapshot',
      run: 'r',
      seq: 9,
      state: 'running',
      notices: {},
      nodes: { b: { done: 1 }, c: { running: 1 }, 'w/x': { skipped: 1 } },
    });
    expect(['b', 'c', 'w'].map((id) => state(id))).toEqual(['done', 'running', 'skipped']);
  });

  it('what is done stays so when the run is over, and a failure too', () => {
    say({ type: 'node.started', node: 'b' });
    say({ type: 'node.finished', node: 'b', key: KEY, seconds: 1 });
    say({ type: 'node.failed', node: 'c', message: 'no' });
    settledRun(TAB);
    expect(['b', 'c'].map((id) => state(id, true))).toEqual(['done', 'failed']);
  });

  it('a run to some nodes leaves the others as they were', () => {
    watched(TAB, 'r', new Set(['a', 'b']));
    expect(['b', 'c'].map((id) => state(id))).toEqual(['waiting', 'will']);
  });
});

it('a workflow as a node shows what stands behind its outputs', () => {
  watched(TAB, 'r');
  say({ type: 'node.finished', node: 'w/decode', key: KEY, seconds: 1 });
  const def = {
    id: 'workflow:w',
    version: 1,
    title: '',
    category: '',
    doc: '',
    ports: [],
    settings: [],
    outputs: [],
    effect: false,
    fold: false,
    inner: true,
  };
  expect(resultsOf(runOf(TAB), 'w', { ...def, behind: ['save', 'decode'] })).toEqual({ '': KEY });
  expect(resultsOf(runOf(TAB), 'w', { ...def, behind: ['save'] })).toBeUndefined();
});

describe('what is wrong', () => {
  const fault = (node: string, input: string): string => faultAt(runOf(TAB), node, input);

  it('stands at the input that a refusal before the run is about', () => {
    told(TAB, [story('d', 'failed', { port: 'film', reasons: ['the film is by another'] })]);
    expect([fault('d', 'film'), fault('d', 'engine')]).toEqual(['the film is by another', '']);
  });

  it('stands at the input that a failure in the run is about, of the node itself alone', () => {
    watched(TAB, 'r');
    const failed = { type: 'node.failed', code: 'c', message: 'too small', hint: '', port: 'x' } as const;
    say({ ...failed, node: 'n' });
    say({ ...failed, node: 'w/n' });
    expect([fault('n', 'x'), fault('w', 'x')]).toEqual(['too small', '']);
  });

  it('stands at the input of a document that cannot run', () => {
    refused(TAB, [{ code: 'c', path: 'nodes.a.params.size.0', message: 'at most 9', hint: '' }]);
    expect([fault('a', 'size'), fault('a', 'siz')]).toEqual(['at most 9', '']);
  });
});

describe('what nodes tell people', () => {
  const notice = (node: string, message: string): void => say({ type: 'node.notice', node, message });

  it('stands at the node, each thing once, and changes nothing else', () => {
    watched(TAB, 'r');
    say({ type: 'node.started', node: 'a' });
    notice('a', 'made smaller');
    notice('a', 'made smaller');
    notice('w/inner', 'cut to 9 frames');
    say({ type: 'node.finished', node: 'a', seconds: 1, key: KEY });
    expect(runOf(TAB).live.a?.notices).toEqual(['made smaller']);
    expect(state('a')).toBe('done');
    expect(runOf(TAB).live.w?.notices).toEqual(['cut to 9 frames']);
  });

  it('is told again by one message that stands for what was missed', () => {
    watched(TAB, 'r');
    caughtUp({
      type: 'snapshot', run: 'r', seq: 9, state: 'running', nodes: { a: { done: 1 } }, notices: { a: ['x', 'y'], b: ['z'] },
    }); // prettier-ignore
    expect(runOf(TAB).live.a).toMatchObject({ state: 'done', notices: ['x', 'y'] });
    expect(runOf(TAB).live.b?.notices).toEqual(['z']);
  });

  it('goes with the next run, as does what is about no node', () => {
    watched(TAB, 'r');
    notice('a', 'x');
    say({ type: 'cache.notice', kind: 'corrupt', message: 'an entry was computed again' });
    say({ type: 'cache.notice', kind: 'corrupt', message: 'an entry was computed again' });
    expect(runOf(TAB).notices).toEqual(['an entry was computed again']);
    watched(TAB, 's');
    expect([runOf(TAB).notices, runOf(TAB).live]).toEqual([[], {}]);
  });
});
