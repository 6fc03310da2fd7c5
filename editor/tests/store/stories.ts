import type { NodeStory } from '../../src/connection/messages';
import { foreseen } from '../../src/store/runs';

export const story = (node: string, state: string, more: Partial<NodeStory> = {}): NodeStory => ({
  node, type: 't', state, reasons: [], hint: '', port: '', steps: 1, cached: 0, seconds: null, basis: '', scaled: [], memory: null, keys: {}, ...more,
}); // prettier-ignore

const total = {
  steps: 1,
  cached: 0,
  seconds: null,
  unknown: 0,
  device_bytes: null,
  host_bytes: null,
  fullest: '',
};

/** The server has told what a run would do with these nodes. */
export function told(
  tab: string,
  nodes: NodeStory[],
  types: Record<string, Record<string, string>> = {},
): void {
  foreseen(tab, { id: 1, type: 'explained', nodes, document: {}, total, types, values: {} });
}
