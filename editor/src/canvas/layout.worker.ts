/** Layered layout from left to right, each connected part for itself, parts stacked. Runs in a worker. */

import * as dagre from '@dagrejs/dagre';

interface Item {
  readonly id: string;
  readonly width: number;
  readonly height: number;
}

export interface Asked {
  readonly nodes: readonly Item[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
}

export type Told = readonly { readonly id: string; readonly x: number; readonly y: number }[];

const GAP = 48;

/** Nodes by connected part, in the order of the document. */
function parts({ nodes, edges }: Asked): Item[][] {
  const parent = new Map(nodes.map((node) => [node.id, node.id]));
  const root = (id: string): string => {
    let at = id;
    for (let up = parent.get(at) ?? at; up !== at; up = parent.get(at) ?? at) at = up;
    return at;
  };
  for (const { from, to } of edges) parent.set(root(from), root(to));
  const found = new Map<string, Item[]>();
  for (const node of nodes) {
    const key = root(node.id);
    found.set(key, [...(found.get(key) ?? []), node]);
  }
  return [...found.values()];
}

function layout(asked: Asked): Told {
  const placed: { id: string; x: number; y: number }[] = [];
  let top = 0;
  for (const part of parts(asked)) {
    const ids = new Set(part.map((node) => node.id));
    const graph = new dagre.graphlib.Graph();
    graph.setGraph({ rankdir: 'LR', nodesep: 28, ranksep: 76 });
    graph.setDefaultEdgeLabel(() => ({}));
    for (const { id, width, height } of part) graph.setNode(id, { width, height });
    for (const { from, to } of asked.edges) if (ids.has(from) && ids.has(to)) graph.setEdge(from, to);
    dagre.layout(graph);
    let bottom = top;
    for (const { id, width, height } of part) {
      const { x, y } = graph.node(id) as { x: number; y: number };
      placed.push({ id, x: x - width / 2, y: top + y - height / 2 });
      bottom = Math.max(bottom, top + y + height / 2);
    }
    top = bottom + GAP;
  }
  return placed;
}

self.onmessage = (event: MessageEvent<Asked>) => self.postMessage(layout(event.data));
