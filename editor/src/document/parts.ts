/** Edits of a node and the nodes that make its parts, as one form sees them. Pure. */

import { addNode, freeId, positionOf, removeNodes, setParam } from './nodes';
import { own, put } from './records';
import type { Workflow } from './types';
import { disconnect, links, listOf, split, withNode } from './wires';

/** Where a part is wired in. */
export interface Slot {
  readonly node: string;
  readonly port: string;
  /** The port takes a list of wires. */
  readonly many: boolean;
}

/** What stands at each place of a port: a node that makes the part, or something else. */
export interface Standing {
  readonly wire: string;
  readonly id: string;
  /** Whether its settings are the part's fields. */
  readonly own: boolean;
}

export function standing(doc: Workflow, slot: Slot, maker: string): Standing[] {
  return listOf(own(own(doc.nodes, slot.node)?.inputs, slot.port)).map((wire) => {
    const id = split(wire).node;
    return { wire, id, own: own(doc.nodes, id)?.type === maker };
  });
}

const [LEFT, DOWN] = [290, 130];

/** Add a node that makes a part, to the left of the node that takes it, behind the parts that are there. */
export function addPart(doc: Workflow, slot: Slot, maker: { id: string; version: number }): Workflow {
  const entry = own(doc.nodes, slot.node);
  if (entry === undefined) return doc;
  const at = positionOf(entry) ?? { x: 0, y: 0 };
  const before = Object.values(entry.inputs ?? {}).flatMap((wires) => [...listOf(wires)]).length;
  const id = freeId(doc, maker.id);
  const next = addNode(doc, id, {
    type: maker.id,
    version: maker.version,
    ui: { x: at.x - LEFT, y: at.y + before * DOWN },
  });
  return withNode(next, slot.node, (one) => {
    const wires = slot.many ? [...listOf(own(one.inputs, slot.port)), id] : id;
    return { ...one, inputs: put(one.inputs, slot.port, wires) };
  });
}

/** Set a field of the part at a place; a part that is not there yet is made. */
export function setInPart(
  doc: Workflow,
  slot: Slot,
  place: number,
  maker: { id: string; version: number },
  name: string,
  value: unknown,
): Workflow {
  const known = standing(doc, slot, maker.id)[place];
  if (known !== undefined) return known.own ? setParam(doc, known.id, name, value) : doc;
  const next = addPart(doc, slot, maker);
  const made = standing(next, slot, maker.id)[place];
  return made === undefined ? doc : setParam(next, made.id, name, value);
}

/** Take a part away; its node goes too, unless something else uses it. */
export function removePart(doc: Workflow, slot: Slot, place: number): Workflow {
  const wire = listOf(own(own(doc.nodes, slot.node)?.inputs, slot.port))[place];
  if (wire === undefined) return doc;
  const left = disconnect(doc, slot.node, slot.port, place);
  const id = split(wire).node;
  const used = [...links(left)].some((link) => split(link.from).node === id);
  return used ? left : removeNodes(left, new Set([id]));
}
