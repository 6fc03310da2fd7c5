/**
 * Every open workflow belongs to one window, since its draft on the server goes by the tab's id. A window that begins as the
 * copy of another, or with what another left for it, gives its tabs ids of their own. Windows of one browser hear each other.
 */

import { randomHex } from '../parts/random';
import { renameRuns } from './runs';
import { newTabId, renamed, useTabs } from './tabs';

/** What a window says: when it began, and the tabs that it has. */
interface Claim {
  readonly since: string;
  readonly ids: readonly string[];
  /** The others are to say theirs. */
  readonly ask: boolean;
}

/** How long others are waited for; who answers later is heard all the same. */
const WAIT_MS = 80;

const since = `${String(Date.now()).padStart(16, '0')} ${randomHex(8)}`; // the later one gives way
const channel = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel('graphflow.tabs');
const elsewhere = new Set<string>();

/** Tabs of the younger of two windows that both have: they get new ids. Pure. */
export function yielded(mine: Claim, other: Claim): string[] {
  return other.since < mine.since ? mine.ids.filter((id) => other.ids.includes(id)) : [];
}

function claim(ask: boolean): Claim {
  return { since, ids: useTabs.getState().tabs.map((tab) => tab.id), ask };
}

interface Hearers {
  /** These tabs are about to get new ids, the old ones are another window's. */
  given(ids: readonly string[]): void;
  /** Another window had the ids of these tabs, which stay this one's. */
  kept(ids: readonly string[]): void;
  /** Another window has these. */
  elsewhere(ids: readonly string[]): void;
}

/** Keep the tabs of this window apart from those of all others from now on. */
export function claimTabs(tell: Hearers): void {
  if (channel === undefined) return;
  channel.onmessage = ({ data: other }: MessageEvent<Claim>) => {
    for (const id of other.ids) elsewhere.add(id);
    tell.elsewhere(other.ids);
    const mine = claim(false);
    const [given, kept] = [yielded(mine, other), yielded(other, mine)];
    if (given.length > 0) {
      const ids = new Map(given.map((id) => [id, newTabId()]));
      tell.given(given);
      renameRuns(ids);
      useTabs.setState((state) => renamed(state, ids));
    }
    if (kept.length > 0) tell.kept(kept);
    if (other.ask) channel.postMessage(claim(false));
  };
  channel.postMessage(claim(true));
}

/** The tabs that other windows have now. */
export async function openElsewhere(): Promise<ReadonlySet<string>> {
  elsewhere.clear();
  channel?.postMessage(claim(true));
  await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  return elsewhere;
}
