/** Copy and paste: what is copied is itself a workflow document, so that it travels as text, also to other workflows. */

import { mark } from './annotate';
import { freeId } from './nodes';
import { fresh, omit, own } from './records';
import type { DocumentUi, NodeEntry, NodeUi, Workflow } from './types';
import { listOf, split } from './wires';

/** The chosen nodes, groups, notes and reroutes as a document of their own; wires from outside are left out. */
export function copy(doc: Workflow, ids: ReadonlySet<string>): Workflow {
  const nodes: Record<string, NodeEntry> = {};
  for (const [id, entry] of Object.entries(doc.nodes)) {
    if (!ids.has(id)) continue;
    const inputs = Object.entries(entry.inputs ?? {}).flatMap(([input, wires]) => {
      const left = listOf(wires).filter((wire) => ids.has(split(wire).node));
      return left.length === 0 ? [] : [[input, typeof wires === 'string' ? left[0] : left]];
    });
    nodes[id] = { ...entry, ...(entry.inputs && { inputs: Object.fromEntries(inputs) }) };
  }
  const chosen = <T>(kind: string, record: Readonly<Record<string, T>> | undefined): Record<string, T> =>
    Object.fromEntries(Object.entries(record ?? {}).filter(([id]) => ids.has(`${kind}:${id}`)));
  const ui: DocumentUi = {
    groups: chosen('group', doc.ui?.groups),
    notes: chosen('note', doc.ui?.notes),
    reroutes: chosen('reroute', doc.ui?.reroutes),
  };
  return { graphflow: 1, nodes, ui };
}

/** Put a document's nodes into another under free ids, shifted; gives the new ids, marked ones included. */
export function paste(
  doc: Workflow,
  piece: Workflow,
  dx: number,
  dy: number,
): [Workflow, ReadonlySet<string>] {
  let next = doc;
  const named = new Map<string, string>();
  for (const [id, entry] of Object.entries(piece.nodes)) {
    const free = Object.hasOwn(next.nodes, id) ? fresh(id, (name) => Object.hasOwn(next.nodes, name)) : id;
    named.set(id, Object.hasOwn(next.nodes, free) ? freeId(next, entry.type) : free);
    next = { ...next, nodes: { ...next.nodes, [named.get(id) as string]: entry } };
  }
  const swap = (text: string): string | undefined => {
    const { node } = split(text);
    const name = named.get(node);
    return name === undefined ? undefined : name + text.slice(node.length);
  };
  const ui: Record<string, Record<string, unknown>> = {};
  const marks = new Map<string, string>();
  for (const kind of ['groups', 'notes', 'reroutes'] as const) {
    const known: Record<string, unknown> = { ...next.ui?.[kind] };
    for (const [id, one] of Object.entries(piece.ui?.[kind] ?? {})) {
      const free = fresh(id, (name) => Object.hasOwn(known, name));
      marks.set(`${kind.slice(0, -1)}:${id}`, `${kind.slice(0, -1)}:${free}`);
      known[free] = { ...one, x: one.x + dx, y: one.y + dy };
    }
    if (Object.keys(known).length > 0) ui[kind] = known;
  }
  for (const id of marks.values()) {
    const found = mark(id);
    const reroute =
      found?.kind === 'reroute' ? (ui.reroutes?.[found.id] as { from: string } | undefined) : undefined;
    if (found && reroute && ui.reroutes) {
      const from = marks.get(reroute.from) ?? swap(reroute.from) ?? '';
      ui.reroutes[found.id] = { ...reroute, from };
    }
  }
  for (const [before, id] of named) {
    const entry = own(piece.nodes, before) as NodeEntry;
    next = { ...next, nodes: { ...next.nodes, [id]: landed(entry, swap, marks, dx, dy) } };
  }
  if (Object.keys(ui).length > 0) next = { ...next, ui: { ...next.ui, ...ui } };
  return [next, new Set([...named.values(), ...marks.values()])];
}

function landed(
  entry: NodeEntry,
  swap: (text: string) => string | undefined,
  marks: ReadonlyMap<string, string>,
  dx: number,
  dy: number,
): NodeEntry {
  const inputs = Object.entries(entry.inputs ?? {}).flatMap(([input, wires]) => {
    const left = listOf(wires)
      .map(swap)
      .filter((wire) => wire !== undefined);
    return left.length === 0 ? [] : [[input, typeof wires === 'string' ? left[0] : left]];
  });
  const ui: NodeUi = { ...entry.ui };
  const moved = typeof ui.x === 'number' && typeof ui.y === 'number' ? { x: ui.x + dx, y: ui.y + dy } : {};
  const place = (id: string | null): string | null =>
    id === null ? null : (marks.get(`reroute:${id}`)?.slice(8) ?? null);
  const via = Object.entries(ui.via ?? {}).flatMap(([input, places]) => {
    if (typeof places !== 'string') return [[input, places.map(place)]];
    const one = place(places);
    return one === null ? [] : [[input, one]];
  });
  return {
    ...(omit(entry as unknown as Record<string, unknown>, 'inputs', 'ui') as unknown as NodeEntry),
    ...(entry.inputs && { inputs: Object.fromEntries(inputs) }),
    ui: { ...ui, ...moved, ...(ui.via && { via: Object.fromEntries(via) }) },
  };
}

/** A document in pasted text; undefined if it is none. Never throws. */
export function fromText(text: string): Workflow | undefined {
  if (!text.trimStart().startsWith('{')) return undefined;
  try {
    const raw: unknown = JSON.parse(text);
    return isWorkflow(raw) ? raw : undefined;
  } catch {
    return undefined;
  }
}

/** Whether data has the outer shape of a workflow; what is inside nodes is checked by the server. */
export function isWorkflow(raw: unknown): raw is Workflow {
  if (typeof raw !== 'object' || raw === null) return false;
  const { graphflow, nodes } = raw as { graphflow?: unknown; nodes?: unknown };
  if (typeof graphflow !== 'number' || typeof nodes !== 'object' || nodes === null || Array.isArray(nodes))
    return false;
  return Object.values(nodes).every(
    (entry) =>
      typeof entry === 'object' && entry !== null && typeof (entry as { type?: unknown }).type === 'string',
  );
}
