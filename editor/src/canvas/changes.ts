/** React Flow tells what a person did; here it becomes an edit of the document or of the selection. */

import type { EdgeChange, NodeChange } from '@xyflow/react';
import { mark, removeMarks } from '../document/annotate';
import { moveTo, removeNodes, type Point } from '../document/nodes';
import { disconnect } from '../document/wires';
import { activeTab, edit, select } from '../store/tabs';
import { boxOf, wireOf, type FlowNode, type WireEdge } from './flow';
import { inside } from '../document/annotate';

/** While groups are dragged: what lies in each, relative to it. */
export type Carried = Map<string, ReadonlyMap<string, Point>>;

export function applyNodes(
  changes: readonly NodeChange<FlowNode>[],
  nodes: readonly FlowNode[],
  carried: Carried,
): void {
  const places = new Map<string, Point>();
  const selection = new Set(activeTab()?.selection);
  const removed = new Set<string>();
  let dragging = false;
  let selected = false;
  for (const change of changes) {
    if (change.type === 'position' && change.position) {
      places.set(change.id, change.position);
      dragging ||= change.dragging === true;
    } else if (change.type === 'select') {
      selected = true;
      if (change.selected) selection.add(change.id);
      else selection.delete(change.id);
    } else if (change.type === 'remove') removed.add(change.id);
  }
  if (selected) select(selection);
  if (removed.size > 0) edit('delete', (doc) => removeMarks(removeNodes(doc, removed), removed));
  if (places.size > 0) {
    carry(places, nodes, carried);
    edit('move', (doc) => moveTo(doc, rounded(places)), `move ${[...places.keys()].join(' ')}`);
  }
  if (!dragging) carried.clear();
}

/** A dragged group takes along what lies in it. */
function carry(places: Map<string, Point>, nodes: readonly FlowNode[], carried: Carried): void {
  for (const [id, place] of [...places]) {
    if (mark(id)?.kind !== 'group') continue;
    let load = carried.get(id);
    if (load === undefined) {
      const frame = nodes.find((node) => node.id === id);
      if (frame === undefined) continue;
      const box = boxOf(frame);
      load = new Map(
        nodes
          .filter((node) => node.id !== id && inside(boxOf(node), box))
          .map((node) => [node.id, { x: node.position.x - box.x, y: node.position.y - box.y }]),
      );
      carried.set(id, load);
    }
    for (const [one, offset] of load) {
      if (!places.has(one)) places.set(one, { x: place.x + offset.x, y: place.y + offset.y });
    }
  }
}

function rounded(places: ReadonlyMap<string, Point>): Map<string, Point> {
  return new Map([...places].map(([id, { x, y }]) => [id, { x: Math.round(x), y: Math.round(y) }]));
}

export function applyEdges(changes: readonly EdgeChange<WireEdge>[]): void {
  const selection = new Set(activeTab()?.selection);
  const removed: string[] = [];
  let selected = false;
  for (const change of changes) {
    if (change.type === 'select') {
      selected = true;
      if (change.selected) selection.add(change.id);
      else selection.delete(change.id);
    } else if (change.type === 'remove') removed.push(change.id);
  }
  if (selected) select(selection);
  if (removed.length > 0) removeWires(removed);
}

/** Take wires away, those with the highest place in a list first, so that the others' places hold. */
export function removeWires(ids: readonly string[]): void {
  const wires = ids.map(wireOf).filter((one) => one !== undefined);
  wires.sort((a, b) => b.index - a.index);
  edit('disconnect', (doc) =>
    wires.reduce((next, { node, input, index }) => disconnect(next, node, input, index), doc),
  );
}
