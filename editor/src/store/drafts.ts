/** Work that is not saved is kept on the server too, so that it outlives its browser; and what another browser left is offered. */

import { create } from 'zustand';
import type { DraftInfo } from '../connection/messages';
import { CLIENT, Refusal, socket } from '../connection/socket';
import { isWorkflow } from '../document/clipboard';
import type { Workflow } from '../document/types';
import { claimTabs, openElsewhere } from './claims';
import { offeredOf } from './offers';
import { isDirty, openTab, updateTab, useTabs, type Saved, type Tab } from './tabs';
import { complain, say } from './ui';

interface State {
  /** What may be taken up here. */
  offered: readonly DraftInfo[];
}

export const useDrafts = create<State>(() => ({ offered: [] }));

const PAUSE_MS = 1_000;

/** Tabs of which the server has a draft: the document that it has, if that is known. */
const held = new Map<string, Workflow | undefined>();
/** Drafts that turned out to be another window's. */
const foreign = new Set<string>();
let timer: ReturnType<typeof setTimeout> | undefined;
let turn: Promise<void> = Promise.resolve();
let refused = false;

/**
 * Keep drafts from now on: at most one message a second for each tab; at once when the server comes back, and when something
 * is saved or closed, since the browser may be closed next.
 */
export function keepDrafts(): void {
  useTabs.subscribe(({ tabs }) => {
    const dirty = new Set(tabs.filter(isDirty).map((tab) => tab.id));
    if ([...held.keys()].some((id) => !dirty.has(id))) void keepNow();
    else timer ??= setTimeout(() => void keepNow(), PAUSE_MS);
  });
  socket.onStatus((status) => {
    if (status !== 'open') return;
    for (const id of held.keys()) held.set(id, undefined); // it may be another server by now
    void keepNow().then(look);
  });
  claimTabs({
    given(ids) {
      for (const id of ids) {
        foreign.add(id);
        held.delete(id);
      }
    },
    kept(ids) {
      for (const id of ids) if (held.has(id)) held.set(id, undefined); // the other window may have kept its own under it
      void keepNow();
    },
    elsewhere(ids) {
      useDrafts.setState(({ offered }) => ({ offered: offered.filter((one) => !ids.includes(one.draft)) }));
    },
  });
}

/** Bring the server's drafts to what is open, after what is on the way already. */
export function keepNow(): Promise<void> {
  clearTimeout(timer);
  timer = undefined;
  turn = turn.then(keep);
  return turn;
}

async function keep(): Promise<void> {
  try {
    for (const tab of useTabs.getState().tabs) if (isDirty(tab)) await keepOne(tab);
    for (const id of [...held.keys()]) {
      const tab = useTabs.getState().tabs.find((one) => one.id === id);
      if (tab !== undefined && isDirty(tab)) continue;
      await socket.ask({ type: 'drop_draft', draft: id }, 'done');
      held.delete(id);
    }
  } catch (error) {
    if (!(error instanceof Refusal) || error.code === 'connection' || refused) return;
    refused = true; // the browser keeps them all the same: once is enough
    say('the server cannot keep what is not saved', 'bad', error.message);
  }
}

async function keepOne({ id, title, saved, line }: Tab): Promise<void> {
  const doc = line.now;
  if (held.get(id) === doc) return;
  const document = doc as unknown as Record<string, unknown>;
  const from = { name: saved?.name ?? '', version: saved?.version ?? '' };
  await socket.ask(
    { type: 'keep_draft', draft: id, title: title.slice(0, 1_000), ...from, document },
    'done',
  );
  if (!foreign.has(id)) held.set(id, doc);
}

/** Ask the server what there is to take up. */
export async function look(): Promise<void> {
  try {
    const { drafts } = await socket.ask({ type: 'drafts' }, 'drafts');
    const open = new Set([...useTabs.getState().tabs.map((tab) => tab.id), ...(await openElsewhere())]);
    useDrafts.setState({ offered: offeredOf(drafts, open, CLIENT) });
  } catch {
    // no connection: asked again when there is one
  }
}

/** Go on with a draft in a new tab, which keeps it from now on. */
export async function takeUp(info: DraftInfo): Promise<void> {
  try {
    const { document } = await socket.ask({ type: 'open_draft', draft: info.draft }, 'draft');
    if (!isWorkflow(document)) throw new Error(`“${info.title}” is no workflow that this editor knows`);
    const [saved, stale] = await departure(info);
    const tab = openTab(document, { title: info.title, saved, changed: true });
    updateTab(tab, (one) => ({ ...one, stale }));
    await keepNow();
    if (held.get(tab) !== undefined) await giveUp(info);
  } catch (error) {
    complain(error);
  }
}

/** The version from which a draft departs, if it is kept still, and whether there is a newer one. */
async function departure({ name, version }: DraftInfo): Promise<[Saved | undefined, boolean]> {
  if (name === '' || version === '') return [undefined, false];
  try {
    const newest = await socket.ask({ type: 'open', name, version: null }, 'opened');
    const stale = newest.workflow.version !== version;
    const told = stale ? await socket.ask({ type: 'open', name, version }, 'opened') : newest;
    return [{ name, version, doc: told.document as unknown as Workflow }, stale];
  } catch (error) {
    if (error instanceof Refusal && error.code === 'workflow.missing') return [undefined, false];
    throw error;
  }
}

/** Forget a draft. */
export async function giveUp({ draft }: DraftInfo): Promise<void> {
  await socket.ask({ type: 'drop_draft', draft }, 'done').catch(complain);
  await look();
}
