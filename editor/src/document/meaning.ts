/** What of a document matters for a result: everything but `ui` and texts. */

import type { Workflow } from './types';

/** Whether two documents run the same; cheap, since edits share what they leave alone. */
export function sameMeaning(a: Workflow, b: Workflow): boolean {
  if (a === b) return true;
  if (a.parameters !== b.parameters || a.outputs !== b.outputs) return false;
  if (a.nodes === b.nodes) return true;
  const names = Object.keys(a.nodes);
  if (names.length !== Object.keys(b.nodes).length) return false;
  return names.every((id) => {
    const one = a.nodes[id];
    const other = Object.hasOwn(b.nodes, id) ? b.nodes[id] : undefined;
    if (one === other) return true;
    return (
      one !== undefined &&
      other !== undefined &&
      one.type === other.type &&
      one.version === other.version &&
      one.params === other.params &&
      one.inputs === other.inputs &&
      one.ui?.mode === other.ui?.mode
    );
  });
}
