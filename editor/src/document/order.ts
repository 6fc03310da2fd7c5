/** The order in which a graph is read: along the wires, what feeds before what is fed; otherwise left before right, above before below. */

import { positionOf } from './nodes';
import type { Workflow } from './types';
import { links, split } from './wires';

/** Every node once; those of a circle stand last, as the document has them. */
export function readingOrder(doc: Workflow): string[] {
  const missing = new Map<string, number>(Object.keys(doc.nodes).map((id) => [id, 0]));
  const fed = new Map<string, string[]>();
  for (const { from, node } of links(doc)) {
    const source = split(from).node;
    if (!missing.has(source)) continue;
    missing.set(node, (missing.get(node) ?? 0) + 1);
    const others = fed.get(source);
    if (others) others.push(node);
    else fed.set(source, [node]);
  }
  const ready = lastFirst(
    doc,
    [...missing].filter(([, count]) => count === 0).map(([id]) => id),
  );
  const found: string[] = [];
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    found.push(next);
    missing.delete(next);
    const free: string[] = [];
    for (const id of fed.get(next) ?? []) {
      const left = (missing.get(id) ?? 0) - 1;
      missing.set(id, left);
      if (left === 0) free.push(id);
    }
    ready.push(...lastFirst(doc, free)); // what was just fed comes next
  }
  return [...found, ...missing.keys()];
}

/** From right to left, and from below. */
function lastFirst(doc: Workflow, ids: readonly string[]): string[] {
  const places = ids.map((id) => {
    const entry = doc.nodes[id];
    return { id, ...((entry && positionOf(entry)) ?? { x: 0, y: 0 }) };
  });
  return places.sort((a, b) => b.x - a.x || b.y - a.y).map(({ id }) => id);
}

/** Reads a document anew only when nodes or wires have changed: what is merely moved keeps its place meanwhile. */
export class Reading {
  private signs: readonly unknown[] = [];
  private order: readonly string[] = [];

  of(doc: Workflow): readonly string[] {
    const signs = Object.entries(doc.nodes).flatMap(([id, entry]) => [id, entry.inputs]);
    if (signs.length === this.signs.length && signs.every((sign, place) => sign === this.signs[place]))
      return this.order;
    this.signs = signs;
    this.order = readingOrder(doc);
    return this.order;
  }
}
