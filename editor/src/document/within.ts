/**
 * The document of a run is flat: in the place of a workflow used as a node stand its nodes, `outer/inner` as `outer-inner`.
 * What of it a level shows, and what a level is given by the workflow around it. Pure.
 */

import { targetsOf } from './parameters';
import { mapped, own } from './records';
import type { WireText, Wires, Workflow } from './types';

/** Settings and ports of a level's nodes that the workflow around it gives, by `node.name`: the value, undefined for a wire. */
export type Given = ReadonlyMap<string, unknown>;

export const NOTHING_GIVEN: Given = new Map();

/** Stands before a wire that comes from around a level. No id begins so. */
const AROUND = '/';

export function fromAround(wire: WireText): boolean {
  return wire.startsWith(AROUND);
}

/** The id of a node in a run's document, by its place `outer/inner`. */
export function flatId(place: string): string {
  return place.replaceAll('/', '-');
}

/** The nodes of a run's document that stand on a level, by their names there. inside: `outer/`, or empty for the root. */
export function levelOf(then: Workflow, inside: string): Workflow {
  const prefix = flatId(inside);
  if (prefix === '') return then;
  const named = (wire: WireText): WireText =>
    wire.startsWith(prefix) ? wire.slice(prefix.length) : AROUND + wire;
  const nodes = Object.entries(then.nodes)
    .filter(([id]) => id.startsWith(prefix))
    .map(([id, entry]) => {
      const inputs = mapped(entry.inputs, (wires): Wires =>
        typeof wires === 'string' ? named(wires) : wires.map(named),
      );
      return [id.slice(prefix.length), { ...entry, inputs }] as const;
    });
  return { graphflow: then.graphflow, nodes: Object.fromEntries(nodes) };
}

/** What `node` of the workflow around gives to its own. before: what that workflow is given itself. */
export function given(around: Workflow, node: string, level: Workflow, before: Given): Given {
  const entry = own(around.nodes, node);
  const found = new Map<string, unknown>();
  for (const [name, parameter] of Object.entries(level.parameters ?? {})) {
    const place = `${node}.${name}`;
    const wired = own(entry?.inputs, name) !== undefined;
    const value = wired ? undefined : own(entry?.params, name);
    if (!before.has(place) && !wired && value === undefined) continue;
    const stands = before.has(place) ? before.get(place) : value;
    for (const target of targetsOf(parameter)) found.set(`${target.node}.${target.name}`, stands);
  }
  return found;
}
