/** Putting a reroute into a wire. */

import { addReroute, viaOf } from './annotate';
import type { Point } from './nodes';
import { own, put } from './records';
import type { Workflow } from './types';
import { listOf, withNode } from './wires';

/** Draw a wire through a new reroute; behind the one that it already passes. */
export function splitWire(doc: Workflow, node: string, input: string, index: number, at: Point): Workflow {
  const wires = own(own(doc.nodes, node)?.inputs, input);
  const wire = listOf(wires)[index];
  if (wire === undefined) return doc;
  const before = viaOf(doc, node, input, index, wire);
  const from = before === undefined ? wire : `reroute:${before}`;
  const [next, id] = addReroute(doc, { x: Math.round(at.x), y: Math.round(at.y), from });
  return withNode(next, node, (entry) => {
    const places = own(entry.ui?.via, input);
    const place = (one: number): string | null =>
      typeof places === 'string' ? (one === 0 ? places : null) : (places?.[one] ?? null);
    const via =
      typeof wires === 'string' ? id : listOf(wires).map((_, one) => (one === index ? id : place(one)));
    return { ...entry, ui: { ...entry.ui, via: put(entry.ui?.via, input, via) } };
  });
}
