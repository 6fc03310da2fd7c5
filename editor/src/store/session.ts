/** What the editor asks of the server: explain after each edit, submit, watch, cancel. Starts with the page. */

import type { RunInfo } from '../connection/messages';
import { Refusal, socket, type AnswerOf, type Status } from '../connection/socket';
import { create } from 'zustand';
import { sameMeaning } from '../document/meaning';
import { effective } from '../document/off';
import type { Workflow } from '../document/types';
import { reach } from '../document/wires';
import { randomHex } from '../parts/random';
import { judgeOff } from '../schema/judge';
import { defOf, forgetInner, loadCatalogue, useCatalogue } from './catalogue';
import { showPreview } from './previews';
import { chainOf, family, insideOf, rootOf } from './levels';
import {
  accepted,
  caughtUp,
  clouded,
  foreseen,
  happened,
  isOver,
  joined,
  outer,
  previewed,
  queueChanged,
  refused,
  runOf,
  settledRun,
  updateRun,
  useRuns,
  watched,
  type TabRun,
} from './runs';
import { isDirty, tabOf, updateTab, useTabs, type Tab } from './tabs';
import { complain, say, useUi } from './ui';

interface State {
  status: Status;
  version: string;
}

export const useSession = create<State>(() => ({ status: 'connecting', version: '' }));

/** The document as it runs: what is switched off taken out. */
export function runnable(doc: Workflow): Workflow {
  return effective(doc, judgeOff(useCatalogue.getState().catalogue, defOf));
}

/** The name that a tab's runs go by: its root's, since that is what runs. */
export function nameOf(tab: Tab): string {
  const root = rootOf(useTabs.getState().tabs, tab.id) ?? tab;
  return root.saved?.name ?? (root.line.now.name || root.title);
}

function plain(doc: Workflow): Record<string, unknown> {
  return doc as unknown as Record<string, unknown>;
}

// ---------------------------------------------------------------------------------------- explain

const PAUSE_MS = 150;
let timer: ReturnType<typeof setTimeout> | undefined;
let asked = 0;

/** Ask again what would run, when typing has stopped for a moment. */
export function explainSoon(): void {
  clearTimeout(timer);
  timer = setTimeout(() => void explain(), PAUSE_MS);
}

/** What is asked about is the root; each level shows its part of the answer. */
async function explain(): Promise<void> {
  const { tabs, active } = useTabs.getState();
  const tab = rootOf(tabs, active);
  if (tab === undefined || useSession.getState().status !== 'open' || !useCatalogue.getState().ready) return;
  const number = ++asked;
  const document = plain(runnable(tab.line.now));
  try {
    const told = await socket.ask({ type: 'explain', workflow: nameOf(tab), document }, 'explained');
    if (number !== asked) return;
    for (const one of family(useTabs.getState().tabs, tab.id)) {
      foreseen(one.id, told);
      if (one.from !== undefined && isDirty(one)) clouded(one.id);
    }
  } catch (error) {
    if (number !== asked || !(error instanceof Refusal) || error.code === 'connection') return;
    const problems =
      error.problems.length > 0 ? error.problems : [{ ...error, path: '', message: error.message }];
    refusedAll(tab.id, problems);
  }
}

function refusedAll(root: string, problems: Refusal['problems']): void {
  for (const one of family(useTabs.getState().tabs, root)) refused(one.id, problems);
}

// ---------------------------------------------------------------------------------------- runs

/** Run the root of the open tab, or some nodes of that tab with what they need. Empty seeds are drawn by the server. */
export async function submit(chosen: readonly string[] | null = null): Promise<void> {
  const { tabs, active } = useTabs.getState();
  const chain = chainOf(tabs, active);
  const tab = chain[0];
  if (tab === undefined) return;
  if (Object.keys(tab.line.now.nodes).length === 0) {
    say('there is nothing to run yet', 'info', 'double-click the canvas, or press A, to add a node');
    return;
  }
  try {
    const document = plain(runnable(tab.line.now));
    const request = randomHex(16);
    const inside = insideOf(tabs, active);
    const targets = chosen && chosen.map((id) => inside + id);
    const { run } = await socket.ask(
      { type: 'submit', workflow: nameOf(tab), document, targets, request },
      'accepted',
    );
    accepted(run);
    chain.forEach((level, depth) => {
      const into = chain[depth + 1]?.node;
      const ends = into === undefined ? chosen : [into];
      watched(level.id, run.run, chosen && ends ? reach(level.line.now, ends, 'up') : undefined);
    });
    await watch(run.run);
  } catch (error) {
    if (error instanceof Refusal && error.problems.length > 0) {
      refusedAll(tab.id, error.problems);
      useUi.setState({ problems: true });
      say(
        error.problems.length === 1
          ? '1 thing must be mended first'
          : `${error.problems.length} things must be mended first`,
        'bad',
      );
    } else complain(error);
  }
}

async function watch(run: string): Promise<void> {
  await socket.ask({ type: 'watch', run, after: 0, previews: true }, 'watching');
}

/** Hear all of a run from its beginning, in every tab that follows it. */
async function watchAnew(run: string): Promise<void> {
  for (const [tab, one] of Object.entries(useRuns.getState().tabs))
    if (one.run === run) updateRun(tab, (before) => ({ ...before, live: {} }));
  await watch(run);
}

/** Show in a tab all that a run does which was begun elsewhere; the tab holds the run's document. */
export async function follow(tab: string, run: string): Promise<void> {
  watched(tab, run);
  await watchAnew(run);
}

/** A level was entered: it shows its part of the root's last run, and of what would run. */
export async function join(level: string): Promise<void> {
  const { tabs } = useTabs.getState();
  const root = runOf(rootOf(tabs, level)?.id ?? '');
  joined(level, insideOf(tabs, level), root);
  explainSoon();
  if (root.run === '') return;
  try {
    await watchAnew(root.run);
    if (isOver(useRuns.getState().runs[root.run]))
      await socket.ask({ type: 'unwatch', run: root.run }, 'done');
  } catch {
    // the run is not kept any more, or the connection is lost: what would run is told all the same
  }
}

/** Cancel the active tab's run. */
export async function cancel(run?: string): Promise<void> {
  const id = run ?? runOf(useTabs.getState().active).run;
  if (id === '') return;
  await socket.ask({ type: 'cancel', run: id }, 'done').catch(complain);
}

/** Whether the list of problems names a node that failed. */
const anyFailed = ({ live, stories }: TabRun): boolean =>
  [...Object.values(live), ...Object.values(stories)].some((one) => one.state === 'failed');

function ended(info: RunInfo): void {
  const tabs = Object.entries(useRuns.getState().tabs).filter(([, run]) => run.run === info.run);
  if (tabs.length === 0) return;
  void socket.ask({ type: 'unwatch', run: info.run }, 'done').catch(() => undefined);
  explainSoon();
  if (info.state === 'failed') {
    const { active } = useTabs.getState();
    const seen = tabs.some(([tab, run]) => tab === active && anyFailed(run)); // it stands there already
    if (!seen) say(`${info.name}: ${info.message || 'the run failed'}`, 'bad');
    useUi.setState({ problems: true });
  } else if (info.state === 'cancelled') say('cancelled; what is done is kept');
  for (const [tab, run] of tabs) {
    settledRun(tab);
    const failed = Object.entries(run.live).find(([, live]) => live.state === 'failed');
    if (failed) updateTab(tab, (one) => ({ ...one, selection: new Set([outer(failed[0])]) }));
  }
}

// ---------------------------------------------------------------------------------------- kept workflows

/** Somebody saved, renamed or deleted a workflow, perhaps this page. */
function keptChanged(name: string, version: string | null): void {
  forgetInner(name);
  for (const tab of useTabs.getState().tabs) {
    if (tab.saved?.name !== name) continue;
    updateTab(tab.id, (one) => ({ ...one, stale: version !== null && one.saved?.version !== version }));
  }
}

// ---------------------------------------------------------------------------------------- start

/** Connect, and keep every store up to date. Called once. */
export function start(): void {
  socket.onStatus((status, welcome) => void greeted(status, welcome));
  socket.onMessage((message) => {
    if (message.type === 'event') {
      const { event } = message;
      if (event.type === 'node.preview') {
        const ids = event.node.split('/');
        for (let depth = 1; depth <= ids.length; depth++)
          showPreview(ids.slice(0, depth).join('/'), event.media_type, event.data);
        previewed(event.run, event.node);
      } else happened(event);
    } else if (message.type === 'snapshot') caughtUp(message);
    else if (message.type === 'paused') useRuns.setState({ paused: message.on });
    else if (message.type === 'workflow') keptChanged(message.name, message.version);
    else if (message.type === 'run') {
      const before = useRuns.getState().runs[message.run.run];
      queueChanged(message.run);
      if (isOver(message.run) && !isOver(before)) ended(message.run);
    }
  });
  let last: Workflow | undefined;
  let tab = '';
  useTabs.subscribe((state) => {
    const now = tabOf(state);
    const same =
      now?.id === tab && now !== undefined && last !== undefined && sameMeaning(now.line.now, last);
    tab = now?.id ?? '';
    last = now?.line.now;
    if (!same) explainSoon();
  });
  useCatalogue.subscribe((state, before) => {
    if (state.ready !== before.ready || state.inner !== before.inner) explainSoon();
  });
  void loadCatalogue();
  socket.connect();
}

async function greeted(status: Status, welcome?: AnswerOf<'welcome'>): Promise<void> {
  useSession.setState({ status, ...(welcome && { version: welcome.version }) });
  if (welcome === undefined) return;
  const queued = Object.fromEntries(welcome.queue.map((run) => [run.run, run]));
  const followed = new Set(Object.values(useRuns.getState().tabs).map((one) => one.run)); // later ones are watched
  const known = useRuns.getState().runs;
  useRuns.setState((state) => ({ paused: welcome.paused, runs: { ...state.runs, ...queued } }));
  if (!useCatalogue.getState().ready) await loadCatalogue();
  for (const run of followed) {
    if (run === '' || (queued[run] === undefined && known[run] !== undefined && isOver(known[run]))) continue;
    await (queued[run] === undefined ? caughtEnd(run, known[run] === undefined) : watchAnew(run)).catch(() =>
      forget(run),
    );
  }
  explainSoon();
}

/** Hear of a run that ended while this page was not connected. Before the page was there: how it ended was said then. */
async function caughtEnd(run: string, before: boolean): Promise<void> {
  await watchAnew(run);
  const info = (await (await fetch(`/api/runs/${run}`)).json()) as RunInfo;
  queueChanged(info);
  if (!before) ended(info);
  else await socket.ask({ type: 'unwatch', run }, 'done');
}

/** The server does not know a run any more. */
function forget(run: string): void {
  for (const [tab, one] of Object.entries(useRuns.getState().tabs))
    if (one.run === run) updateRun(tab, (before) => ({ ...before, run: '' }));
}
