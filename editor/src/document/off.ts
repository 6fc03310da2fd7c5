/**
 * Bypass and mute. While a document is open, `ui.mode` of a node says how it is switched off. A file is a program for
 * everybody, so what is saved or run has the node taken out: a bypassed node's wires are led around it, a muted one takes
 * along what cannot run without it. What was taken out is parked in the document's `ui.off`, and put back when it is opened.
 */

import { removeNodes } from './nodes';
import { isEmpty, omit, own } from './records';
import type { NodeEntry, Parameter, Wires, Workflow } from './types';
import { links, listOf, split } from './wires';

export interface Judge {
  /** The input whose value a bypassed node hands on in place of an output; undefined if none fits. */
  stands(type: string, output: string | undefined, wired: readonly string[]): string | undefined;
  /** Whether a node of this type cannot run without this input. */
  needs(type: string, input: string): boolean;
}

interface Off {
  /** Switched-off nodes as they were, with those that went along. */
  readonly nodes: Readonly<Record<string, NodeEntry>>;
  /** Inputs of other nodes as `node.input`: what they were and what they became. */
  readonly inputs: Readonly<Record<string, readonly [NodeEntry['inputs'], NodeEntry['inputs']]>>;
  readonly outputs?: Workflow['outputs'];
  readonly parameters?: Readonly<Record<string, Parameter>>;
}

/** Nodes that would not run: the switched-off ones and those that go along. */
export function silenced(doc: Workflow, judge: Judge): ReadonlySet<string> {
  const off = new Set(Object.keys(doc.nodes).filter((id) => own(doc.nodes, id)?.ui?.mode !== undefined));
  if (off.size === 0) return off;
  const gone = new Set(off);
  for (let before = -1; before !== gone.size;) {
    before = gone.size;
    for (const { from, node, input } of links(doc)) {
      const entry = own(doc.nodes, node);
      if (entry === undefined || gone.has(node) || !judge.needs(entry.type, input)) continue;
      if (gone.has(split(from).node) && around(doc, from, judge, gone) === undefined) gone.add(node);
    }
  }
  return gone;
}

/** Where a wire comes from when bypassed nodes are led around; undefined if it ends at one that is gone. */
function around(doc: Workflow, wire: string, judge: Judge, gone: ReadonlySet<string>): string | undefined {
  const seen = new Set<string>();
  for (let at = wire; ;) {
    const { node, output } = split(at);
    const entry = own(doc.nodes, node);
    if (entry === undefined || !gone.has(node)) return at;
    if (entry.ui?.mode !== 'bypass' || seen.has(node)) return undefined;
    seen.add(node);
    const input = judge.stands(entry.type, output, Object.keys(entry.inputs ?? {}));
    const next = input === undefined ? undefined : listOf(own(entry.inputs, input))[0];
    if (next === undefined) return undefined;
    at = next;
  }
}

/** The document that runs and is saved. */
export function effective(doc: Workflow, judge: Judge): Workflow {
  const gone = silenced(doc, judge);
  if (gone.size === 0) return doc;
  const lead = (wire: string): string | undefined => around(doc, wire, judge, gone);
  const inputs: Record<string, readonly [NodeEntry['inputs'], NodeEntry['inputs']]> = {};
  const nodes = Object.fromEntries(
    Object.entries(doc.nodes).map(([id, entry]) => {
      if (gone.has(id) || entry.inputs === undefined) return [id, entry];
      let touched = false;
      const led = Object.entries(entry.inputs).flatMap(([input, wires]): [string, Wires][] => {
        const before = listOf(wires);
        const after = before.map(lead).filter((wire) => wire !== undefined);
        if (after.length === before.length && after.every((wire, place) => wire === before[place]))
          return [[input, wires]];
        touched = true;
        if (after[0] === undefined) return [];
        return [[input, typeof wires === 'string' ? after[0] : after]];
      });
      if (!touched) return [id, entry];
      const next = Object.fromEntries(led);
      inputs[id] = [entry.inputs, next];
      return [id, { ...entry, inputs: next }];
    }),
  ) as Workflow['nodes'];
  const outputs = Object.fromEntries(
    Object.entries(doc.outputs ?? {}).flatMap(([name, wire]) => {
      const led = lead(wire);
      return led === undefined ? [] : [[name, led]];
    }),
  );
  const left = removeNodes({ ...doc, nodes, ...(doc.outputs && { outputs }) }, gone);
  const off: Off = {
    nodes: Object.fromEntries([...gone].flatMap((id) => [[id, own(doc.nodes, id) as NodeEntry]])),
    inputs,
    ...(same(left.outputs, doc.outputs) ? {} : { outputs: doc.outputs }),
    ...(same(left.parameters, doc.parameters) ? {} : { parameters: doc.parameters }),
  };
  return { ...left, ui: { ...left.ui, off } };
}

/** Put what was switched off back into an opened document, as far as it still fits. */
export function restored(doc: Workflow): Workflow {
  const off = doc.ui?.off as Off | undefined;
  if (off === undefined || typeof off !== 'object' || typeof off.nodes !== 'object' || off.nodes === null)
    return doc;
  const parked = Object.entries(off.nodes).filter(([id]) => !Object.hasOwn(doc.nodes, id));
  const nodes = Object.fromEntries(
    Object.entries(doc.nodes).map(([id, entry]) => {
      const pair = own(off.inputs, id);
      return [id, pair && same(entry.inputs, pair[1]) && pair[0] ? { ...entry, inputs: pair[0] } : entry];
    }),
  );
  const ui = omit(doc.ui as Record<string, unknown>, 'off');
  const next: Workflow = {
    ...doc,
    ...(off.parameters && { parameters: { ...off.parameters, ...doc.parameters } }),
    ...(off.outputs && { outputs: { ...doc.outputs, ...off.outputs } }),
    nodes: { ...nodes, ...Object.fromEntries(parked) },
    ui,
  };
  return isEmpty(ui) ? (omit(next as unknown as Record<string, unknown>, 'ui') as unknown as Workflow) : next;
}

function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a ?? {}) === JSON.stringify(b ?? {});
}
