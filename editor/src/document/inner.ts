/** Some nodes of a workflow become a workflow of their own, and back. Pure. */

import { addNode, freeId, removeNodes, retarget } from './nodes';
import { fresh, mapped, own, put } from './records';
import type { NodeEntry, Parameter, Wires, Workflow } from './types';
import { join, listOf, rewire, split } from './wires';

/** Why some nodes cannot become a workflow of their own, for people. */
export class CannotCollapse extends Error {}

export interface Collapsed {
  readonly inner: Workflow;
  readonly outer: Workflow;
  /** Id of the node that stands for them. */
  readonly id: string;
}

/**
 * Take nodes out into a workflow that is used by one node. Wires that come from outside, and parameters that set something
 * inside, become its parameters; wires that lead out become its outputs. Raises CannotCollapse.
 */
export function collapse(doc: Workflow, ids: ReadonlySet<string>, name: string): Collapsed {
  const inside = (wire: string): boolean => ids.has(split(wire).node);
  const parameters: Record<string, Parameter> = {};
  const inputs: Record<string, Wires> = {};
  const nodes: Record<string, NodeEntry> = {};
  const bySource = new Map<string, string>();
  const declare = (base: string, to: string): string => {
    const free = fresh(base, (one) => Object.hasOwn(parameters, one));
    parameters[free] = { to };
    return free;
  };
  for (const [id, entry] of Object.entries(doc.nodes)) {
    if (!ids.has(id)) continue;
    const own_: [string, Wires][] = [];
    for (const [input, wires] of Object.entries(entry.inputs ?? {})) {
      const texts = listOf(wires);
      if (texts.every(inside)) {
        own_.push([input, wires]);
        continue;
      }
      if (texts.some(inside))
        throw new CannotCollapse(`${id}.${input} collects wires from inside and outside`);
      const source = JSON.stringify(wires);
      const known = bySource.get(source);
      const to = `${id}.${input}`;
      if (known !== undefined) {
        parameters[known] = { to: [...[parameters[known]?.to ?? []].flat(), to] };
      } else {
        const parameter = declare(input, to);
        bySource.set(source, parameter);
        inputs[parameter] = wires;
      }
    }
    nodes[id] = { ...entry, ...(entry.inputs && { inputs: Object.fromEntries(own_) }) };
  }
  const outputs: Record<string, string> = {};
  const exported = new Map<string, string>();
  const exportOf = (wire: string): string => {
    const { node, output } = split(wire);
    const known = exported.get(wire);
    if (known !== undefined) return known;
    const free = fresh(output ?? node, (one) => Object.hasOwn(outputs, one));
    outputs[free] = wire;
    exported.set(wire, free);
    return free;
  };
  const id = freeId(doc, name);
  const swapped = rewire(doc, (wire, node) =>
    inside(wire) && !ids.has(node) ? join(id, exportOf(wire)) : wire,
  );
  const retargeted = retarget(swapped, (target) => {
    if (!inside(target)) return target;
    const setting = split(target).output ?? '';
    const known = Object.entries(parameters).find(([, one]) => [one.to].flat().includes(target))?.[0];
    return join(id, known ?? declare(setting, target));
  });
  const places = Object.values(nodes).map(
    (entry) => [Number(entry.ui?.x ?? 0), Number(entry.ui?.y ?? 0)] as const,
  );
  const mean = (axis: 0 | 1): number =>
    Math.round(places.reduce((sum, one) => sum + one[axis], 0) / Math.max(1, places.length));
  const entry: NodeEntry = { type: `workflow:${name}`, inputs, ui: { x: mean(0), y: mean(1) } };
  const outer = addNode(removeNodes(retargeted, ids), id, entry);
  return { inner: { graphflow: 1, name, parameters, nodes, outputs }, outer, id };
}

/** Put the nodes of a workflow in the place of the node that uses it. */
export function expand(doc: Workflow, id: string, inner: Workflow): Workflow {
  const node = own(doc.nodes, id);
  if (node === undefined) return doc;
  const names = new Map<string, string>();
  const taken = new Set(Object.keys(doc.nodes).filter((one) => one !== id));
  for (const one of Object.keys(inner.nodes)) {
    const free = fresh(one, (name) => taken.has(name));
    taken.add(free);
    names.set(one, free);
  }
  const swap = (text: string): string => {
    const { node: from, output } = split(text);
    return join(names.get(from) ?? from, output);
  };
  let nodes: Record<string, NodeEntry> = {};
  const [left, top] = [Number(node.ui?.x ?? 0), Number(node.ui?.y ?? 0)];
  const xs = Object.values(inner.nodes).map((one) => Number(one.ui?.x ?? 0));
  const ys = Object.values(inner.nodes).map((one) => Number(one.ui?.y ?? 0));
  const shift = { x: left - Math.min(...xs, Infinity), y: top - Math.min(...ys, Infinity) };
  for (const [one, entry] of Object.entries(inner.nodes)) {
    const inputs = mapped(entry.inputs, (wires): Wires =>
      typeof wires === 'string' ? swap(wires) : wires.map(swap),
    );
    const ui = { ...entry.ui, x: Number(entry.ui?.x ?? 0) + shift.x, y: Number(entry.ui?.y ?? 0) + shift.y };
    nodes = put<NodeEntry>(nodes, names.get(one) ?? one, { ...entry, ...(entry.inputs && { inputs }), ui });
  }
  for (const [name, parameter] of Object.entries(inner.parameters ?? {}))
    nodes = setInner(nodes, node, name, parameter, swap);
  const outputs = inner.outputs ?? {};
  const sole = Object.keys(outputs).length === 1 ? Object.values(outputs)[0] : undefined;
  const led = rewire(doc, (wire) => {
    const end = split(wire);
    if (end.node !== id) return wire;
    const target = end.output === undefined ? sole : own(outputs, end.output);
    return target === undefined ? undefined : swap(target);
  });
  const parameters = Object.fromEntries(
    Object.entries(led.parameters ?? {}).map(([name, one]) => {
      const to = [one.to].flat().flatMap((target) => {
        const end = split(target);
        if (end.node !== id) return [target];
        return [own(inner.parameters, end.output ?? '')?.to ?? []].flat().map(swap);
      });
      return [name, { ...one, to: to.length === 1 ? (to[0] as string) : to }];
    }),
  );
  const { [id]: _, ...others } = led.nodes;
  return { ...led, ...(led.parameters && { parameters }), nodes: { ...others, ...nodes } };
}

/** Hand what was set or wired at the node on to the inner nodes; the engine does the same when it runs. */
function setInner(
  nodes: Record<string, NodeEntry>,
  node: NodeEntry,
  name: string,
  parameter: Parameter,
  swap: (text: string) => string,
): Record<string, NodeEntry> {
  const wires = own(node.inputs, name);
  const value = own(node.params, name) ?? parameter.default;
  if (wires === undefined && (value === undefined || value === null)) return nodes;
  return [parameter.to].flat().reduce((next, target) => {
    const { node: id, output = '' } = split(swap(target));
    const entry = own(next, id);
    if (entry === undefined) return next;
    const { [output]: _literal, ...params } = entry.params ?? {};
    const { [output]: _wire, ...inputs } = entry.inputs ?? {};
    const changed: NodeEntry =
      wires === undefined
        ? { ...entry, params: { ...entry.params, [output]: value }, inputs }
        : { ...entry, params, inputs: { ...entry.inputs, [output]: wires } };
    return put(next, id, changed);
  }, nodes);
}
