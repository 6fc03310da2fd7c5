/** Edits of nodes: add, remove, rename, set, move. Pure: document in, document out. */

import { changed, fresh, omit, own, put } from './records';
import { ID, type NodeEntry, type NodeUi, type Parameter, type Workflow } from './types';
import { disconnect, rewire, split, withNode } from './wires';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A free id made of the last word of a node's type. */
export function freeId(doc: Workflow, type: string): string {
  const stem = (type.split(/[/:]/).pop() ?? '')
    .replace(/\.json$/, '')
    .replace(/[^A-Za-z0-9_-]/g, '_')
    .replace(/^-+/, '');
  return fresh(stem.slice(0, 60) || 'node', (name) => Object.hasOwn(doc.nodes, name));
}

export function addNode(doc: Workflow, id: string, entry: NodeEntry): Workflow {
  return { ...doc, nodes: put(doc.nodes, id, entry) };
}

/** Remove nodes with all that names them: wires, workflow outputs, parameters. */
export function removeNodes(doc: Workflow, ids: ReadonlySet<string>): Workflow {
  const left: Workflow = { ...doc, nodes: omit(doc.nodes, ...ids) };
  const wired = rewire(left, (wire) => (ids.has(split(wire).node) ? undefined : wire));
  return retarget(wired, (target) => (ids.has(split(target).node) ? undefined : target));
}

/** The document with every parameter's target changed; a parameter that is left without one goes. */
export function retarget(doc: Workflow, change: (target: string) => string | undefined): Workflow {
  if (doc.parameters === undefined) return doc;
  const parameters = Object.fromEntries(
    Object.entries(doc.parameters).flatMap(([name, parameter]): [string, Parameter][] => {
      const before = typeof parameter.to === 'string' ? [parameter.to] : parameter.to;
      const after = before.map(change);
      if (after.every((one, place) => one === before[place])) return [[name, parameter]];
      const to = after.filter((one) => one !== undefined);
      if (to[0] === undefined) return [];
      return [[name, { ...parameter, to: typeof parameter.to === 'string' ? to[0] : to }]];
    }),
  );
  return { ...doc, parameters };
}

/** What is wrong with a new id, for people; empty if nothing. */
export function idProblem(doc: Workflow, id: string): string {
  if (!ID.test(id)) return 'use letters, digits, _ and - (not first), up to 64';
  return Object.hasOwn(doc.nodes, id) ? `there is a node ${id} already` : '';
}

/** Give a node another id, everywhere. */
export function renameNode(doc: Workflow, from: string, to: string): Workflow {
  if (from === to || !Object.hasOwn(doc.nodes, from) || idProblem(doc, to) !== '') return doc;
  const swap = (text: string): string => (split(text).node === from ? to + text.slice(from.length) : text);
  const nodes = Object.fromEntries(
    Object.entries(doc.nodes).map(([id, entry]) => [id === from ? to : id, entry]),
  );
  const reroutes = doc.ui?.reroutes && changed(doc.ui.reroutes, (one) => ({ ...one, from: swap(one.from) }));
  const next = { ...doc, nodes, ...(reroutes ? { ui: { ...doc.ui, reroutes } } : {}) };
  return retarget(rewire(next, swap), swap);
}

/** Set a literal; a wire in its place goes, since a setting has one or the other. */
export function setParam(doc: Workflow, id: string, name: string, value: unknown): Workflow {
  return withNode(disconnect(doc, id, name), id, (entry) => ({
    ...entry,
    params: put(entry.params, name, value),
  }));
}

/** Back to the node's own default. */
export function unsetParam(doc: Workflow, id: string, name: string): Workflow {
  return withNode(doc, id, (entry) => ({ ...entry, params: omit(entry.params, name) }));
}

/** Change what only the editor reads of a node; undefined takes a field away. */
export function setUi(doc: Workflow, id: string, change: Partial<NodeUi>): Workflow {
  return withNode(doc, id, (entry) => ({ ...entry, ui: cleaned({ ...entry.ui, ...change }) }));
}

function cleaned(ui: NodeUi): NodeUi {
  return Object.fromEntries(Object.entries(ui).filter(([, value]) => value !== undefined));
}

/** Move nodes, groups (`group:`), notes (`note:`) and reroutes (`reroute:`) to places. */
export function moveTo(doc: Workflow, places: ReadonlyMap<string, Point>): Workflow {
  const at = (id: string): Point | undefined => places.get(id);
  const nodes = changed(doc.nodes, (entry, id) => {
    const place = at(id);
    return place ? { ...entry, ui: { ...entry.ui, x: place.x, y: place.y } } : entry;
  });
  if (![...places.keys()].some((id) => id.includes(':'))) return { ...doc, nodes };
  const shifted = <T extends Point>(kind: string, record: Readonly<Record<string, T>> | undefined) =>
    record && changed(record, (one, id) => ({ ...one, ...(at(`${kind}:${id}`) ?? {}) }));
  const ui = {
    ...doc.ui,
    ...pick('groups', shifted('group', doc.ui?.groups)),
    ...pick('notes', shifted('note', doc.ui?.notes)),
    ...pick('reroutes', shifted('reroute', doc.ui?.reroutes)),
  };
  return { ...doc, nodes, ui };
}

function pick<T>(name: string, value: T | undefined): Record<string, T> {
  return value === undefined ? {} : { [name]: value };
}

export function titleOf(entry: NodeEntry | undefined, fallback: string): string {
  const title = entry?.ui?.title;
  return typeof title === 'string' && title !== '' ? title : fallback;
}

export function positionOf(entry: NodeEntry): Point | undefined {
  const { x, y } = entry.ui ?? {};
  return typeof x === 'number' && typeof y === 'number' ? { x, y } : undefined;
}

export function paramOf(entry: NodeEntry, name: string): unknown {
  return own(entry.params, name);
}
