/** What a run has done with one node, event by event. Pure. */

import type { Event } from '../connection/messages';

export type NodeState = 'idle' | 'cached' | 'will' | 'waiting' | 'running' | 'done' | 'failed' | 'skipped';

/** What a run has done with one node, its items together. */
export interface Live {
  readonly state: NodeState;
  readonly cached: number;
  readonly done: number;
  readonly failed: number;
  readonly running: number;
  readonly progress?: {
    readonly done: number;
    readonly total: number;
    readonly eta: number | null;
    readonly at: number;
  };
  readonly seconds: number;
  readonly message: string;
  readonly hint: string;
  /** The input that a failure is about, if it is about one. */
  readonly port: string;
  /** What the node told people, each thing once. */
  readonly notices: readonly string[];
  /** Addresses of results by item. */
  readonly keys: Readonly<Record<string, string>>;
}

export const FRESH: Live = {
  state: 'idle',
  cached: 0,
  done: 0,
  failed: 0,
  running: 0,
  seconds: 0,
  message: '',
  hint: '',
  port: '',
  notices: [],
  keys: {},
};

export type NodeEvent = Extract<Event, { node: string }>;

/** own: it is the node itself, not one inside of it. */
export function lived(live: Live, event: NodeEvent, own: boolean): Live {
  const keyed = 'key' in event && event.key ? { ...live.keys, [event.item.join('.')]: event.key } : live.keys;
  switch (event.type) {
    case 'node.started':
      return { ...live, state: 'running', running: live.running + 1, progress: undefined };
    case 'node.progress': {
      const { done, total, eta } = event;
      return { ...live, state: 'running', progress: { done, total, eta, at: Date.now() } };
    }
    case 'node.cached':
      return settled({ ...live, cached: live.cached + 1, keys: keyed });
    case 'node.finished': {
      const running = Math.max(0, live.running - 1);
      return settled({
        ...live,
        running,
        done: live.done + 1,
        seconds: live.seconds + event.seconds,
        keys: keyed,
      });
    }
    case 'node.failed': {
      const running = Math.max(0, live.running - 1);
      const { message, hint } = event;
      const port = own ? event.port : '';
      return settled({ ...live, running, failed: live.failed + 1, message, hint, port });
    }
    case 'node.notice':
      return noticed(live, [event.message]);
    case 'node.skipped':
      return {
        ...live,
        state: live.failed > 0 ? 'failed' : 'skipped',
        message: live.message || event.reason,
      };
    default:
      return live;
  }
}

export function settled(live: Live): Live {
  if (live.running > 0) return { ...live, state: 'running' };
  const state: NodeState = live.failed > 0 ? 'failed' : live.done > 0 ? 'done' : 'cached';
  return { ...live, state, progress: undefined };
}

/** The same with what the node told besides. */
export function noticed(live: Live, told: readonly string[]): Live {
  const more = told.filter((one) => !live.notices.includes(one));
  return more.length === 0 ? live : { ...live, notices: [...live.notices, ...more] };
}
