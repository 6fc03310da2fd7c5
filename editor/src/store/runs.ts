/** Runs: the queue, and for each tab what explain foresaw and what the run it watches has done. */

import { create } from 'zustand';
import type {
  Event,
  Explained,
  NodeStory,
  ProblemText,
  RunInfo,
  Snapshot,
  Total,
} from '../connection/messages';
import { omit } from '../document/records';
import { FRESH, lived, noticed, settled, type Live, type NodeState } from './live';
import type { Def } from '../schema/defs';
import type { Inferred } from '../schema/judge';

export interface TabRun {
  /** What the run calls the nodes that stand here begins with this; see levels.ts. */
  readonly inside: string;
  /** What would happen, from explain; inner nodes are gathered under their workflow node. */
  readonly stories: Readonly<Record<string, NodeStory>>;
  readonly total: Total | undefined;
  readonly types: Inferred;
  readonly values: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly problems: readonly ProblemText[];
  /** The run that is watched. */
  readonly run: string;
  /** What it told that is about no node. */
  readonly notices: readonly string[];
  /** The nodes that it may touch, if it was asked for some alone. */
  readonly scope: ReadonlySet<string> | undefined;
  readonly live: Readonly<Record<string, Live>>;
  readonly started: number;
  /** Newest known results by node, inner ones as `outer/inner`: item to key. */
  readonly results: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Nodes that a preview came of: they keep room for it. */
  readonly previewed: Readonly<Record<string, true>>;
}

interface State {
  runs: Readonly<Record<string, RunInfo>>;
  paused: boolean;
  /** Waiting runs in their order, as last told. */
  order: readonly string[];
  tabs: Readonly<Record<string, TabRun>>;
}

export const IDLE: TabRun = {
  inside: '',
  stories: {},
  total: undefined,
  types: {},
  values: {},
  problems: [],
  run: '',
  notices: [],
  scope: undefined,
  live: {},
  started: 0,
  results: {},
  previewed: {},
};

export const useRuns = create<State>(() => ({ runs: {}, paused: false, order: [], tabs: {} }));

export function runOf(tab: string): TabRun {
  return useRuns.getState().tabs[tab] ?? IDLE;
}

export function updateRun(tab: string, change: (run: TabRun) => TabRun): void {
  useRuns.setState((state) => {
    const before = state.tabs[tab] ?? IDLE;
    const after = change(before);
    return after === before ? state : { tabs: { ...state.tabs, [tab]: after } };
  });
}

/** Tabs have other ids from now on. */
export function renameRuns(ids: ReadonlyMap<string, string>): void {
  useRuns.setState(({ tabs }) => ({
    tabs: Object.fromEntries(Object.entries(tabs).map(([id, run]) => [ids.get(id) ?? id, run])),
  }));
}

export function isOver(info: RunInfo | undefined): boolean {
  return info === undefined || !(info.state === 'queued' || info.state === 'running');
}

/** The node of the open document that a node of the expanded one stands in. */
export function outer(node: string): string {
  const slash = node.indexOf('/');
  return slash < 0 ? node : node.slice(0, slash);
}

/** A node's id among those that stand in the tab, inner ones as `outer/inner`; undefined if it stands elsewhere. */
function within(run: TabRun, node: string): string | undefined {
  return node.startsWith(run.inside) ? node.slice(run.inside.length) : undefined;
}

function part<T>(run: TabRun, record: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  if (run.inside === '') return record;
  return Object.fromEntries(
    Object.entries(record).flatMap(([node, one]): [string, T][] => {
      const id = within(run, node);
      return id === undefined ? [] : [[id, one]];
    }),
  );
}

const GRAVEST = ['failed', 'run', 'waiting', 'cached', 'folded', 'not needed'];

function gathered(a: NodeStory, b: NodeStory): NodeStory {
  const worse = GRAVEST.indexOf(a.state) <= GRAVEST.indexOf(b.state) ? a : b;
  const seconds = a.seconds === null && b.seconds === null ? null : (a.seconds ?? 0) + (b.seconds ?? 0);
  const memory = a.memory === null && b.memory === null ? null : Math.max(a.memory ?? 0, b.memory ?? 0);
  const reasons = [...new Set([...a.reasons, ...b.reasons])].slice(0, 8);
  const scaled = [...new Set([...a.scaled, ...b.scaled])];
  return {
    ...worse,
    reasons,
    seconds,
    memory,
    scaled,
    steps: a.steps + b.steps,
    cached: a.cached + b.cached,
  };
}

/** What explain told. Results that are in the cache are shown at once. */
export function foreseen(tab: string, told: Explained): void {
  updateRun(tab, (run) => {
    const stories: Record<string, NodeStory> = {};
    const found: Record<string, Readonly<Record<string, string>>> = {};
    for (const story of told.nodes) {
      const node = within(run, story.node);
      if (node === undefined) continue;
      const id = outer(node);
      const before = stories[id];
      const one = id === node ? story : { ...story, port: '' };
      stories[id] = before === undefined ? one : gathered(before, one);
      if (story.state === 'cached') found[node] = story.keys;
    }
    return {
      ...run,
      stories: kept(run.stories, stories),
      total: told.total,
      types: part(run, told.types),
      values: part(run, told.values),
      problems: [],
      results: kept(run.results, { ...run.results, ...found }),
    };
  });
}

/** A level was changed and not saved yet: what the run would do of it is not known. */
export function clouded(tab: string): void {
  const { runs } = useRuns.getState();
  updateRun(tab, (run) => ({ ...run, stories: {}, live: isOver(runs[run.run]) ? {} : run.live }));
}

/** A level was entered: it begins with what is known of it at the root. */
export function joined(tab: string, inside: string, root: TabRun): void {
  updateRun(tab, () => {
    const run = { ...IDLE, inside, run: root.run, started: root.started };
    return { ...run, results: part(run, root.results), total: root.total };
  });
}

/** The new record, with values of the old one where they are equal: what is equal is not drawn again. */
function kept<T>(before: Readonly<Record<string, T>>, after: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(after).map(([id, one]) => {
      const old = before[id];
      return [id, old !== undefined && JSON.stringify(old) === JSON.stringify(one) ? old : one];
    }),
  );
}

/** The workflow cannot run as it is. */
export function refused(tab: string, problems: readonly ProblemText[]): void {
  updateRun(tab, (run) => ({
    ...run,
    stories: {},
    total: undefined,
    problems: problems.map((one) => ({ ...one, path: pathIn(run, one.path) })),
  }));
}

/** A problem's place as seen in the tab; one that lies elsewhere is said to. */
function pathIn(run: TabRun, path: string): string {
  if (run.inside === '') return path;
  const start = `nodes.${run.inside}`;
  return path.startsWith(start) ? `nodes.${path.slice(start.length)}` : `outside: ${path}`;
}

export function watched(tab: string, run: string, scope?: ReadonlySet<string>): void {
  updateRun(tab, (before) => ({ ...before, run, scope, live: {}, notices: [], started: Date.now() }));
}

/** A preview came: the node makes room for it. */
export function previewed(run: string, node: string): void {
  for (const [tab, one] of Object.entries(useRuns.getState().tabs)) {
    const id = outer(within(one, node) ?? '');
    if (one.run !== run || id === '' || one.previewed[id] === true) continue;
    updateRun(tab, (before) => ({ ...before, previewed: { ...before.previewed, [id]: true } }));
  }
}

/** One event of a run, for every tab that watches it. */
export function happened(event: Event): void {
  if (event.type === 'run.started') begun(event.run);
  for (const [tab, run] of Object.entries(useRuns.getState().tabs)) {
    if (run.run === event.run) updateRun(tab, (before) => after(before, event));
  }
}

/** News of the queue may overtake one another; the events of a run come in their order. */
function begun(run: string): void {
  const info = useRuns.getState().runs[run];
  if (info?.state === 'queued') queueChanged({ ...info, state: 'running' });
}

function after(run: TabRun, event: Event): TabRun {
  if (event.type === 'run.accepted') return { ...run, live: {}, notices: [] };
  if (event.type === 'cache.notice')
    return run.notices.includes(event.message) ? run : { ...run, notices: [...run.notices, event.message] };
  if (!('node' in event) || event.type === 'node.preview') return run;
  const node = within(run, event.node);
  if (node === undefined) return run;
  const id = outer(node);
  const before = run.live[id] ?? FRESH;
  const next = lived(before, event, id === node);
  const live = { ...run.live, [id]: next };
  if ((event.type === 'node.finished' || event.type === 'node.cached') && event.key !== '') {
    const item = event.item.join('.');
    const others = item === '' ? {} : omit(run.results[node], '');
    return { ...run, live, results: { ...run.results, [node]: { ...others, [item]: event.key } } };
  }
  return { ...run, live };
}

/** A run is over: what it has done is in the cache, until explain is asked again. */
export function settledRun(tab: string): void {
  updateRun(tab, (run) => {
    const stories = Object.entries(run.stories).map(([id, story]) => {
      const state = run.live[id]?.state;
      return [
        id,
        state === 'done' || state === 'cached' ? { ...story, state: 'cached', reasons: [] } : story,
      ];
    });
    return { ...run, stories: Object.fromEntries(stories) };
  });
}

/** One message that stands for all that was missed. */
export function caughtUp(told: Snapshot): void {
  for (const [tab, run] of Object.entries(useRuns.getState().tabs)) {
    if (run.run !== told.run) continue;
    const live: Record<string, Live> = {};
    for (const [node, counts] of Object.entries(part(run, told.nodes))) {
      const id = outer(node);
      const { cached = 0, running = 0, done = 0, failed = 0, skipped = 0 } = counts;
      const one = settled({ ...(live[id] ?? FRESH), cached, running, done, failed });
      live[id] = skipped > 0 && done + cached + failed + running === 0 ? { ...one, state: 'skipped' } : one;
    }
    for (const [node, texts] of Object.entries(part(run, told.notices))) {
      const id = outer(node);
      live[id] = noticed(live[id] ?? FRESH, texts);
    }
    updateRun(tab, (before) => ({ ...before, live }));
  }
}

export function queueChanged(info: RunInfo): void {
  useRuns.setState((state) => ({ runs: { ...state.runs, [info.run]: info } }));
}

/** A run was taken. By the time this is told it may run already, or be over: what the queue told stays. */
export function accepted(info: RunInfo): void {
  if (!Object.hasOwn(useRuns.getState().runs, info.run)) queueChanged(info);
}

/** What is wrong at an input of a node, for people; empty if nothing. */
export function faultAt(run: TabRun, node: string, input: string): string {
  const paths = ['inputs', 'params'].map((part) => `nodes.${node}.${part}.${input}`);
  const told = run.problems.find(({ path }) =>
    paths.some((one) => path === one || path.startsWith(`${one}.`)),
  );
  if (told !== undefined) return told.message;
  const live = run.live[node];
  if (live?.state === 'failed' && live.port === input) return live.message;
  const story = run.stories[node];
  return story?.state === 'failed' && story.port === input ? (story.reasons[0] ?? '') : '';
}

/** Whether a node would not run because nothing that is asked for uses it. */
export function isLeft(story: NodeStory): boolean {
  return story.state === 'not needed' && (story.reasons[0]?.includes('asked for') ?? false);
}

/** How a node stands: what the run does, else what explain foresees. */
export function stateOf(run: TabRun, id: string, over: boolean): NodeState {
  const live = run.live[id];
  if (live !== undefined && (!over || live.state === 'failed')) return live.state;
  const story = run.stories[id];
  const touched = run.scope === undefined || run.scope.has(id);
  if (!over && touched && run.run !== '' && story?.state !== 'folded')
    return story?.state === 'cached' ? 'cached' : 'waiting';
  if (story === undefined) return live?.state ?? 'idle';
  if (story.state === 'run') return 'will';
  if (story.state === 'cached' || (story.state === 'not needed' && story.reasons[0]?.includes('cache'))) {
    return live?.state === 'done' ? 'done' : 'cached';
  }
  if (story.state === 'failed') return 'failed';
  return story.state === 'waiting' ? 'will' : 'idle';
}

/** The results of a node; of a workflow used as one, those of the first node behind its outputs that has any. */
export function resultsOf(
  run: TabRun,
  id: string,
  def: Def | undefined,
): Readonly<Record<string, string>> | undefined {
  if (run.results[id] !== undefined) return run.results[id];
  const inside = def?.behind?.find((inner) => run.results[`${id}/${inner}`] !== undefined);
  return inside === undefined ? undefined : run.results[`${id}/${inside}`];
}
