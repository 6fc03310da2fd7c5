/** Wires of a document: text to ends and back, who feeds whom, and edits of one input. */

import { mapped, omit, own, put } from './records';
import type { NodeEntry, NodeUi, WireText, Wires, Workflow } from './types';

export interface End {
  readonly node: string;
  /** Undefined stands for the only output. */
  readonly output: string | undefined;
}

export function split(text: WireText): End {
  const dot = text.indexOf('.');
  return dot < 0
    ? { node: text, output: undefined }
    : { node: text.slice(0, dot), output: text.slice(dot + 1) };
}

export function join(node: string, output: string | undefined): WireText {
  return output === undefined ? node : `${node}.${output}`;
}

export function listOf(wires: Wires | undefined): readonly WireText[] {
  return wires === undefined ? [] : typeof wires === 'string' ? [wires] : wires;
}

export interface Link {
  readonly from: WireText;
  readonly node: string;
  readonly input: string;
  /** Place in a list of wires; 0 for a single one. */
  readonly index: number;
}

/** Every wire, in the order of the document. */
export function* links(doc: Workflow): Generator<Link> {
  for (const [node, entry] of Object.entries(doc.nodes)) {
    for (const [input, wires] of Object.entries(entry.inputs ?? {})) {
      let index = 0;
      for (const from of listOf(wires)) yield { from, node, input, index: index++ };
    }
  }
}

/** Nodes that a node reads from. */
export function sources(entry: NodeEntry): string[] {
  return Object.values(entry.inputs ?? {}).flatMap((wires) => listOf(wires).map((text) => split(text).node));
}

/** `start` and all that stands before it (`up`) or behind it (`down`). */
export function reach(doc: Workflow, start: Iterable<string>, way: 'up' | 'down'): Set<string> {
  const next = new Map<string, string[]>();
  for (const { from, node } of links(doc)) {
    const [key, value] = way === 'up' ? [node, split(from).node] : [split(from).node, node];
    const known = next.get(key);
    if (known) known.push(value);
    else next.set(key, [value]);
  }
  const found = new Set(start);
  const waiting = [...found];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    for (const one of next.get(node) ?? []) {
      if (!found.has(one)) {
        found.add(one);
        waiting.push(one);
      }
    }
  }
  return found;
}

/** Whether a wire from one node to another would close a circle. */
export function closesCircle(doc: Workflow, from: string, to: string): boolean {
  return from === to || reach(doc, [to], 'down').has(from);
}

export function withNode(doc: Workflow, id: string, change: (entry: NodeEntry) => NodeEntry): Workflow {
  const entry = own(doc.nodes, id);
  if (entry === undefined) return doc;
  const after = change(entry);
  return after === entry ? doc : { ...doc, nodes: put(doc.nodes, id, after) };
}

function withoutVia(ui: NodeUi | undefined, input: string): NodeUi | undefined {
  if (ui?.via === undefined || !Object.hasOwn(ui.via, input)) return ui;
  return { ...ui, via: omit(ui.via, input) };
}

export interface Landing {
  /** Put the wire behind those that are there already, as one item of a list. */
  readonly append?: boolean;
  /** The reroute that the wire is drawn through. */
  readonly via?: string;
}

/** Wire an output to an input. What was there is replaced; a literal of that name goes. */
export function connect(
  doc: Workflow,
  from: WireText,
  node: string,
  input: string,
  how: Landing = {},
): Workflow {
  return withNode(doc, node, (entry) => {
    const before = listOf(own(entry.inputs, input));
    if (how.append && before.includes(from)) return entry;
    const append = how.append === true && before.length > 0;
    const wires: Wires = append ? [...before, from] : from;
    const old = own(entry.ui?.via, input);
    let via = omit(entry.ui?.via, input);
    if (append && (old !== undefined || how.via !== undefined)) {
      const places = typeof old === 'string' ? [old] : (old ?? []);
      via = put(via, input, [...before.map((_, place) => places[place] ?? null), how.via ?? null]);
    } else if (how.via !== undefined) {
      via = put(via, input, how.via);
    }
    const keepUi = entry.ui?.via === undefined && how.via === undefined;
    return {
      ...entry,
      params: omit(entry.params, input),
      inputs: put(entry.inputs, input, wires),
      ...(keepUi ? {} : { ui: { ...entry.ui, via } }),
    };
  });
}

/** Take a wire away; without `index` all of an input. */
export function disconnect(doc: Workflow, node: string, input: string, index?: number): Workflow {
  return withNode(doc, node, (entry) => {
    const wires = own(entry.inputs, input);
    if (wires === undefined) return entry;
    const left =
      index === undefined || typeof wires === 'string' ? [] : wires.filter((_, place) => place !== index);
    const inputs = left.length > 0 ? put(entry.inputs, input, left) : omit(entry.inputs, input);
    const places = own(entry.ui?.via, input);
    const ui =
      left.length > 0 && Array.isArray(places)
        ? {
            ...entry.ui,
            via: put(
              entry.ui?.via,
              input,
              places.filter((_, place) => place !== index),
            ),
          }
        : withoutVia(entry.ui, input);
    return { ...entry, inputs, ...(ui === undefined ? {} : { ui }) };
  });
}

/** The document with every wire changed; undefined takes one away. */
export function rewire(
  doc: Workflow,
  change: (wire: WireText, node: string, input: string) => WireText | undefined,
): Workflow {
  const nodes = mapped(doc.nodes, (entry, id) => {
    let next = entry;
    for (const [input, wires] of Object.entries(entry.inputs ?? {})) {
      const before = listOf(wires);
      const after = before.map((wire) => change(wire, id, input));
      if (after.every((wire, place) => wire === before[place])) continue;
      const left = after.filter((wire) => wire !== undefined);
      const value: Wires | undefined =
        left.length === 0 ? undefined : typeof wires === 'string' ? left[0] : left;
      next = {
        ...next,
        inputs: value === undefined ? omit(next.inputs, input) : put(next.inputs, input, value),
      };
      if (left.length < before.length) {
        const ui = withoutVia(next.ui, input);
        if (ui !== undefined) next = { ...next, ui };
      }
    }
    return next;
  });
  const outputs = Object.fromEntries(
    Object.entries(doc.outputs ?? {}).flatMap(([name, wire]) => {
      const after = change(wire, '', name);
      return after === undefined ? [] : [[name, after]];
    }),
  );
  return { ...doc, nodes, ...(doc.outputs === undefined ? {} : { outputs }) };
}
