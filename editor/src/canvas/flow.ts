/** From the document to what React Flow draws. What has not changed keeps its object, so that it is not drawn again. */

import { Position, type Edge, type Node, type NodeHandle } from '@xyflow/react';
import { positionOf, titleOf } from '../document/nodes';
import { rerouted, viaOf } from '../document/annotate';
import { Reading } from '../document/order';
import { own } from '../document/records';
import type { Group, NodeEntry, Note, Reroute, Workflow } from '../document/types';
import { listOf, split } from '../document/wires';
import { categoryColor, typeColor } from '../schema/colors';
import { outputOf, type Def } from '../schema/defs';
import { DOT, geometry, WIDTH } from '../schema/geometry';
import { coreOf, type Shape } from '../schema/shapes';

export type GraphNodeData = {
  readonly entry: NodeEntry;
  readonly color: string;
  /** Outputs that wires name: what is shown of a node whose type is not known. */
  readonly used: readonly string[];
};
export type GraphFlowNode = Node<GraphNodeData, 'graph'>;
export type GroupFlowNode = Node<{ readonly group: Group }, 'group'>;
export type NoteFlowNode = Node<{ readonly note: Note }, 'note'>;
export type RerouteFlowNode = Node<{ readonly reroute: Reroute; readonly color: string }, 'reroute'>;
export type FlowNode = GraphFlowNode | GroupFlowNode | NoteFlowNode | RerouteFlowNode;
export type WireData = { readonly color: string; readonly list: boolean };
export type WireEdge = Edge<WireData, 'wire'>;

export const REROUTE = 18;

export interface Look {
  readonly selection: ReadonlySet<string>;
  /** Height of the result area of a node; 0 if it shows none. */
  readonly resultOf: (id: string) => number;
  readonly defOf: (type: string) => Def | undefined;
  readonly shapeOf: (node: string, output: string | undefined) => Shape | undefined;
}

interface Kept<T> {
  readonly signs: readonly unknown[];
  readonly made: T;
}

function keep<T>(
  kept: Map<string, Kept<T>>,
  next: Map<string, Kept<T>>,
  id: string,
  signs: unknown[],
  make: () => T,
): T {
  const before = kept.get(id);
  const same = before !== undefined && before.signs.every((sign, place) => sign === signs[place]);
  const one = same ? before : { signs, made: make() };
  next.set(id, one);
  return one.made;
}

export function wireId(node: string, input: string, index: number): string {
  return `wire ${node} ${input} ${index}`;
}

/** Node, input and place in the list of an edge's id; undefined for a piece of wire before a reroute. */
export function wireOf(id: string): { node: string; input: string; index: number } | undefined {
  const [kind, node, input, index] = id.split(' ');
  if (kind !== 'wire' || node === undefined || input === undefined || index === undefined) return undefined;
  return { node, input, index: Number(index) };
}

/** The size of a node of a type that is not installed: a row for each of its inputs. */
export function unknownDef(entry: NodeEntry): Def {
  return {
    id: entry.type,
    version: entry.version ?? 1,
    title: entry.type,
    category: 'unknown',
    doc: '',
    ports: Object.keys(entry.inputs ?? {}).map((name) => ({ name, shape: 'any', required: false, doc: '' })),
    settings: [],
    outputs: [],
    effect: false,
    fold: false,
    inner: false,
  };
}

export class Flow {
  private nodesKept = new Map<string, Kept<FlowNode>>();
  private edgesKept = new Map<string, Kept<WireEdge>>();
  /** Tab goes from node to node in the order of these. */
  private readonly reading = new Reading();

  nodes(doc: Workflow, look: Look): FlowNode[] {
    const next = new Map<string, Kept<FlowNode>>();
    const chosen = (id: string): boolean => look.selection.has(id);
    const found: FlowNode[] = [];
    for (const [name, group] of Object.entries(doc.ui?.groups ?? {})) {
      const id = `group:${name}`;
      const selected = chosen(id);
      found.push(keep(this.nodesKept, next, id, [group, selected], () => groupNode(id, group, selected)));
    }
    const outs = outputsInUse(doc);
    for (const id of this.reading.of(doc)) {
      const entry = doc.nodes[id];
      if (entry === undefined) continue;
      const def = look.defOf(entry.type);
      const selected = chosen(id);
      const result = entry.ui?.collapsed === true ? 0 : look.resultOf(id);
      const used = def === undefined ? (outs.get(id) ?? []).join(' ') : '';
      const signs = [entry, def, selected, result, used];
      found.push(
        keep(this.nodesKept, next, id, signs, () =>
          graphNode(id, entry, def, selected, result, outs.get(id) ?? []),
        ),
      );
    }
    for (const [name, note] of Object.entries(doc.ui?.notes ?? {})) {
      const id = `note:${name}`;
      const selected = chosen(id);
      found.push(keep(this.nodesKept, next, id, [note, selected], () => noteNode(id, note, selected)));
    }
    for (const [name, reroute] of Object.entries(doc.ui?.reroutes ?? {})) {
      const id = `reroute:${name}`;
      const selected = chosen(id);
      const wire = rerouted(doc, name);
      const color = colorOf(look, wire);
      found.push(
        keep(this.nodesKept, next, id, [reroute, selected, color], () =>
          rerouteNode(id, reroute, selected, color),
        ),
      );
    }
    this.nodesKept = next;
    return found;
  }

  edges(doc: Workflow, look: Look): WireEdge[] {
    const next = new Map<string, Kept<WireEdge>>();
    const found: WireEdge[] = [];
    const add = (id: string, from: string, to: string, input: string, color: string, list: boolean): void => {
      const end = from.startsWith('reroute:') ? { node: from, output: 'out' } : split(from);
      const output = end.output ?? soleOutput(doc, look, end.node);
      const front = look.selection.has(end.node) || look.selection.has(to);
      const selected = look.selection.has(id);
      const signs = [end.node, output, to, input, color, list, selected, front];
      const make = (): WireEdge => ({
        id,
        type: 'wire',
        source: end.node,
        sourceHandle: output,
        target: to,
        targetHandle: input,
        selected,
        zIndex: front || selected ? 1_001 : 0,
        data: { color, list },
        ariaLabel: `wire from ${from} to ${to}.${input}`,
      });
      found.push(keep(this.edgesKept, next, id, signs, make));
    };
    for (const [node, entry] of Object.entries(doc.nodes)) {
      for (const [input, wires] of Object.entries(entry.inputs ?? {})) {
        listOf(wires).forEach((wire, index) => {
          if (!Object.hasOwn(doc.nodes, split(wire).node)) return;
          const via = viaOf(doc, node, input, index, wire);
          const from = via === undefined ? wire : `reroute:${via}`;
          add(wireId(node, input, index), from, node, input, colorOf(look, wire), isList(look, wire));
        });
      }
    }
    for (const [name, reroute] of Object.entries(doc.ui?.reroutes ?? {})) {
      const wire = rerouted(doc, name);
      if (wire === undefined || !Object.hasOwn(doc.nodes, split(wire).node)) continue;
      add(`feed ${name}`, reroute.from, `reroute:${name}`, 'in', colorOf(look, wire), isList(look, wire));
    }
    this.edgesKept = next;
    return found;
  }
}

function soleOutput(doc: Workflow, look: Look, node: string): string {
  const def = look.defOf(own(doc.nodes, node)?.type ?? '');
  return def?.outputs[0]?.name ?? 'out';
}

function shapeOfWire(look: Look, wire: string | undefined): Shape | undefined {
  if (wire === undefined) return undefined;
  const { node, output } = split(wire);
  return look.shapeOf(node, output);
}

function colorOf(look: Look, wire: string | undefined): string {
  const shape = shapeOfWire(look, wire);
  return typeColor(shape === undefined ? 'any' : coreOf(shape));
}

function isList(look: Look, wire: string): boolean {
  const shape = shapeOfWire(look, wire);
  return typeof shape === 'object' && 'list' in shape;
}

/** Outputs of nodes that wires name; what a node of an unknown type must at least have. */
function outputsInUse(doc: Workflow): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const entry of Object.values(doc.nodes)) {
    for (const wires of Object.values(entry.inputs ?? {})) {
      for (const wire of listOf(wires)) {
        const { node, output = 'out' } = split(wire);
        const known = found.get(node) ?? [];
        if (!known.includes(output)) found.set(node, [...known, output]);
      }
    }
  }
  return found;
}

function handlesOf(
  def: Def,
  entry: NodeEntry,
  result: number,
): { width: number; height: number; handles: NodeHandle[] } {
  const { width, height, places } = geometry(def, entry, result);
  const handles = places.map((place): NodeHandle => ({
    id: place.name,
    type: place.kind === 'output' ? 'source' : 'target',
    position: place.kind === 'output' ? Position.Right : Position.Left,
    x: (place.kind === 'output' ? width : 0) - DOT / 2,
    y: place.y - DOT / 2,
    width: DOT,
    height: DOT,
  }));
  return { width, height, handles };
}

/** A type's definition with the outputs that wires ask of it, should it not be known. */
export function shownDef(def: Def | undefined, entry: NodeEntry, used: readonly string[]): Def {
  return def ?? { ...unknownDef(entry), outputs: used.map((name) => ({ name, shape: 'any' as const })) };
}

function graphNode(
  id: string,
  entry: NodeEntry,
  def: Def | undefined,
  selected: boolean,
  result: number,
  used: readonly string[],
): GraphFlowNode {
  const shown = shownDef(def, entry, used);
  const { width, height, handles } = handlesOf(shown, entry, result);
  return {
    id,
    type: 'graph',
    position: positionOf(entry) ?? { x: 0, y: 0 },
    width,
    height,
    measured: { width, height },
    handles,
    selected,
    data: { entry, color: categoryColor(shown.category), used },
    ariaLabel: `${titleOf(entry, shown.title)}, node ${id}`,
    domAttributes: { 'data-testid': `node-${id}` } as object,
  };
}

function groupNode(id: string, group: Group, selected: boolean): GroupFlowNode {
  const { x, y, width, height } = group;
  return {
    id,
    type: 'group',
    position: { x, y },
    width,
    height,
    measured: { width, height },
    selected,
    zIndex: -10,
    dragHandle: '.group-title',
    data: { group },
    ariaLabel: `group ${group.title}`,
  };
}

function noteNode(id: string, note: Note, selected: boolean): NoteFlowNode {
  const { x, y, width, height } = note;
  return {
    id,
    type: 'note',
    position: { x, y },
    width,
    height,
    measured: { width, height },
    selected,
    data: { note },
    ariaLabel: 'note',
  };
}

function rerouteNode(id: string, reroute: Reroute, selected: boolean, color: string): RerouteFlowNode {
  const half = REROUTE / 2 - DOT / 2;
  return {
    id,
    type: 'reroute',
    position: { x: reroute.x, y: reroute.y },
    width: REROUTE,
    height: REROUTE,
    measured: { width: REROUTE, height: REROUTE },
    handles: [
      { id: 'in', type: 'target', position: Position.Left, x: 0, y: half, width: DOT, height: DOT },
      {
        id: 'out',
        type: 'source',
        position: Position.Right,
        x: REROUTE - DOT,
        y: half,
        width: DOT,
        height: DOT,
      },
    ],
    selected,
    data: { reroute, color },
    ariaLabel: `reroute of ${reroute.from}`,
  };
}

/** Boxes of everything that may be moved, as they lie on the canvas. */
export function boxOf(node: FlowNode): { x: number; y: number; width: number; height: number } {
  return { ...node.position, width: node.width ?? WIDTH, height: node.height ?? 60 };
}

export function wireText(def: Def | undefined, node: string, output: string): string {
  return def !== undefined && outputOf(def, undefined)?.name === output ? node : `${node}.${output}`;
}
