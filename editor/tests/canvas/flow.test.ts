import { describe, expect, it } from 'vitest';
import { Flow, wireOf, type Look } from '../../src/canvas/flow';
import { moveTo, setParam } from '../../src/document/nodes';
import { splitWire } from '../../src/document/reroute';
import type { Workflow } from '../../src/document/types';
import { readNode } from '../../src/schema/defs';

const def = readNode({
  id: 't',
  version: 1,
  title: 'T',
  doc: '',
  ports: { x: { type: 'Video', required: true } },
  settings: {},
  outputs: { out: 'Video' },
  flags: {},
});
const look: Look = {
  selection: new Set(),
  resultOf: () => 0,
  defOf: (type) => (type === 't' ? def : undefined),
  shapeOf: () => 'Video',
};
const DOC: Workflow = {
  graphflow: 1,
  nodes: {
    a: { type: 't', ui: { x: 0, y: 0 } },
    b: { type: 't', inputs: { x: 'a' }, ui: { x: 300, y: 0 } },
    c: { type: 'unknown', inputs: { y: 'b.out' } },
  },
};

describe('what is drawn', () => {
  it('has a node for each, also of unknown types, with a place for every wire', () => {
    const flow = new Flow();
    const nodes = flow.nodes(DOC, look);
    const edges = flow.edges(DOC, look);
    expect(nodes.map((node) => node.id)).toEqual(['a', 'b', 'c']);
    for (const edge of edges) {
      const ends = [
        nodes.find((node) => node.id === edge.source),
        nodes.find((node) => node.id === edge.target),
      ];
      expect(ends[0]?.handles?.some((one) => one.type === 'source' && one.id === edge.sourceHandle)).toBe(
        true,
      );
      expect(ends[1]?.handles?.some((one) => one.type === 'target' && one.id === edge.targetHandle)).toBe(
        true,
      );
    }
    expect(edges.map((edge) => wireOf(edge.id))).toEqual([
      { node: 'b', input: 'x', index: 0 },
      { node: 'c', input: 'y', index: 0 },
    ]);
  });

  it('keeps the objects of what has not changed', () => {
    const flow = new Flow();
    const before = [flow.nodes(DOC, look), flow.edges(DOC, look)] as const;
    const moved = setParam(moveTo(DOC, new Map([['a', { x: 9, y: 9 }]])), 'a', 'p', 1);
    const after = [flow.nodes(moved, look), flow.edges(moved, look)] as const;
    expect(after[0][0]).not.toBe(before[0][0]);
    expect(after[0].slice(1)).toEqual(before[0].slice(1));
    expect(after[0][1]).toBe(before[0][1]);
    expect(after[1][0]).toBe(before[1][0]);
  });

  it('leads a wire through its reroute', () => {
    const doc = splitWire(DOC, 'b', 'x', 0, { x: 150, y: 40 });
    const edges = new Flow().edges(doc, look).map((edge) => `${edge.source} -> ${edge.target}`);
    expect(edges).toEqual(['reroute:reroute -> b', 'b -> c', 'a -> reroute:reroute']);
  });

  it('leaves out wires that lead nowhere', () => {
    const doc = { ...DOC, nodes: { ...DOC.nodes, b: { type: 't', inputs: { x: 'gone' } } } };
    expect(new Flow().edges(doc, look).map((edge) => edge.target)).toEqual(['c']);
  });
});
