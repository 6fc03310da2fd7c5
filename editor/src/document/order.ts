/** The order in which a graph is read: what feeds stands before what is fed, and otherwise left before right, above before below. */

import { positionOf } from './nodes';
import type { Workflow } from './types';
import { links, split } from './wires';

interface Ready {
  readonly id: string;
  readonly x: number;
  readonly y: number;
}

const before = (a: Ready, b: Ready): boolean => a.x < b.x || (a.x === b.x && a.y < b.y);

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
  const ready: Ready[] = []; // the next one last
  const add = (id: string): void => {
    const entry = doc.nodes[id];
    const { x, y } = (entry && positionOf(entry)) ?? { x: 0, y: 0 };
    const one = { id, x, y };
    let [low, high] = [0, ready.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = ready[middle];
      if (other !== undefined && before(one, other)) low = middle + 1;
      else high = middle;
    }
    ready.splice(low, 0, one);
  };
  for (const [id, count] of missing) if (count === 0) add(id);
  const found: string[] = [];
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    found.push(next.id);
    missing.delete(next.id);
    for (const id of fed.get(next.id) ?? []) {
      const left = (missing.get(id) ?? 0) - 1;
      missing.set(id, left);
      if (left === 0) add(id);
    }
  }
  return [...found, ...missing.keys()];
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
