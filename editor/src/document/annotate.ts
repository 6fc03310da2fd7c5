/** Groups, notes and reroutes: what stands in the document's `ui` and never changes a result. */

import { fresh, mapped, omit, own, put } from './records';
import type { Box, Group, Note, Reroute, WireText, Workflow } from './types';
import { listOf, rewire } from './wires';

export type Kind = 'group' | 'note' | 'reroute';

export const GROUP_COLORS = ['#5b8def', '#51a97a', '#c08a3e', '#b66bb0', '#c25f5f', '#7d8597'] as const;

/** `group:ID` to its parts; undefined for a node's id. */
export function mark(id: string): { kind: Kind; id: string } | undefined {
  const [kind, rest] = id.split(':');
  if (rest === undefined || (kind !== 'group' && kind !== 'note' && kind !== 'reroute')) return undefined;
  return { kind, id: rest };
}

function free(record: object | undefined, base: string): string {
  return fresh(base, (name) => record !== undefined && Object.hasOwn(record, name));
}

export function addGroup(doc: Workflow, group: Group): [Workflow, string] {
  const id = free(doc.ui?.groups, 'group');
  return [{ ...doc, ui: { ...doc.ui, groups: put(doc.ui?.groups, id, group) } }, `group:${id}`];
}

export function addNote(doc: Workflow, note: Note): [Workflow, string] {
  const id = free(doc.ui?.notes, 'note');
  return [{ ...doc, ui: { ...doc.ui, notes: put(doc.ui?.notes, id, note) } }, `note:${id}`];
}

export function addReroute(doc: Workflow, reroute: Reroute): [Workflow, string] {
  const id = free(doc.ui?.reroutes, 'reroute');
  return [{ ...doc, ui: { ...doc.ui, reroutes: put(doc.ui?.reroutes, id, reroute) } }, id];
}

export function setGroup(doc: Workflow, id: string, change: Partial<Group>): Workflow {
  const before = own(doc.ui?.groups, id);
  return before
    ? { ...doc, ui: { ...doc.ui, groups: put(doc.ui?.groups, id, { ...before, ...change }) } }
    : doc;
}

export function setNote(doc: Workflow, id: string, change: Partial<Note>): Workflow {
  const before = own(doc.ui?.notes, id);
  return before
    ? { ...doc, ui: { ...doc.ui, notes: put(doc.ui?.notes, id, { ...before, ...change }) } }
    : doc;
}

/** Remove groups, notes and reroutes by marked id; wires through a reroute stay, drawn straight. */
export function removeMarks(doc: Workflow, ids: Iterable<string>): Workflow {
  const gone: Record<Kind, string[]> = { group: [], note: [], reroute: [] };
  for (const id of ids) {
    const found = mark(id);
    if (found) gone[found.kind].push(found.id);
  }
  if (gone.group.length + gone.note.length + gone.reroute.length === 0) return doc;
  let next = doc;
  for (const id of gone.reroute) next = withoutReroute(next, id);
  const ui = {
    ...next.ui,
    ...(next.ui?.groups && { groups: omit(next.ui.groups, ...gone.group) }),
    ...(next.ui?.notes && { notes: omit(next.ui.notes, ...gone.note) }),
  };
  return { ...next, ui };
}

function withoutReroute(doc: Workflow, id: string): Workflow {
  const before = own(doc.ui?.reroutes, id);
  if (before === undefined) return doc;
  const upstream = before.from.startsWith('reroute:') ? before.from.slice(8) : null;
  const reroutes = mapped(omit(doc.ui?.reroutes, id), (one) =>
    one.from === `reroute:${id}` ? { ...one, from: before.from } : one,
  );
  const swap = (place: string | null): string | null => (place === id ? upstream : place);
  const nodes = mapped(doc.nodes, (entry) => {
    const via = entry.ui?.via;
    if (via === undefined) return entry;
    const left = Object.entries(via).flatMap(([input, places]) => {
      if (typeof places !== 'string') return [[input, places.map(swap)]];
      const place = swap(places);
      return place === null ? [] : [[input, place]];
    });
    return { ...entry, ui: { ...entry.ui, via: Object.fromEntries(left) } };
  });
  return { ...doc, nodes, ui: { ...doc.ui, reroutes } };
}

/** The wire that a reroute passes on; undefined if its chain leads nowhere. */
export function rerouted(doc: Workflow, id: string): WireText | undefined {
  const seen = new Set<string>();
  for (let at = id; !seen.has(at);) {
    seen.add(at);
    const from = own(doc.ui?.reroutes, at)?.from;
    if (from === undefined || !from.startsWith('reroute:')) return from;
    at = from.slice(8);
  }
  return undefined;
}

/** The reroute that a wire is really drawn through: named in `via`, and carrying that very wire. */
export function viaOf(
  doc: Workflow,
  node: string,
  input: string,
  index: number,
  wire: WireText,
): string | undefined {
  const places = own(own(doc.nodes, node)?.ui?.via, input);
  const place = typeof places === 'string' ? (index === 0 ? places : undefined) : places?.[index];
  return typeof place === 'string' && rerouted(doc, place) === wire ? place : undefined;
}

/** Give a reroute another source: all wires through it follow. Loops of reroutes are refused. */
export function feedReroute(doc: Workflow, id: string, from: string): Workflow {
  const before = own(doc.ui?.reroutes, id);
  if (before === undefined) return doc;
  const through = new Set<string>();
  for (const [node, entry] of Object.entries(doc.nodes)) {
    for (const [input, wires] of Object.entries(entry.inputs ?? {})) {
      listOf(wires).forEach((wire, index) => {
        const place = viaOf(doc, node, input, index, wire);
        if (place !== undefined && passes(doc, place, id)) through.add(`${node} ${input} ${wire}`);
      });
    }
  }
  const next = { ...doc, ui: { ...doc.ui, reroutes: put(doc.ui?.reroutes, id, { ...before, from }) } };
  const wire = rerouted(next, id);
  if (wire === undefined) return doc;
  return rewire(next, (old, node, input) => (through.has(`${node} ${input} ${old}`) ? wire : old));
}

function passes(doc: Workflow, start: string, id: string): boolean {
  const seen = new Set<string>();
  for (let at: string | undefined = start; at !== undefined && !seen.has(at);) {
    if (at === id) return true;
    seen.add(at);
    const from: string | undefined = own(doc.ui?.reroutes, at)?.from;
    at = from?.startsWith('reroute:') ? from.slice(8) : undefined;
  }
  return false;
}

export function inside(box: Box, frame: Box): boolean {
  return (
    box.x >= frame.x - 1 &&
    box.y >= frame.y - 1 &&
    box.x + box.width <= frame.x + frame.width + 1 &&
    box.y + box.height <= frame.y + frame.height + 1
  );
}
