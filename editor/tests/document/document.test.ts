import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addReroute, feedReroute, removeMarks, rerouted, viaOf } from '../../src/document/annotate';
import { copy, fromText, isWorkflow, paste } from '../../src/document/clipboard';
import { sameMeaning } from '../../src/document/meaning';
import { freeId, removeNodes, renameNode, setParam, setUi } from '../../src/document/nodes';
import { expose, parameterOf, setParameter, valueOf } from '../../src/document/parameters';
import { splitWire } from '../../src/document/reroute';
import { ID, type Workflow } from '../../src/document/types';
import { closesCircle, connect, disconnect, links, reach, split } from '../../src/document/wires';
import { action } from './actions';

const CHAIN: Workflow = {
  graphflow: 1,
  name: 'chain',
  parameters: { seed: { to: 'b.seed', default: 3 }, both: { to: ['a.x', 'b.x'] } },
  nodes: {
    a: { type: 'std/number', params: { value: 1 }, ui: { x: 0, y: 0, colour: 'kept' } },
    b: { type: 'unknown/pack', version: 7, params: { deep: { list: [1, null, 'ä'] } }, inputs: { x: 'a' } },
    c: { type: 'std/list', inputs: { items: ['a.out', 'b.out'] } },
  },
  outputs: { result: 'c' },
  ui: { real: { licence: 'x' }, future: [1, 2] },
};

describe('wires', () => {
  it('lists every wire with its place', () => {
    expect(
      [...links(CHAIN)].map(({ from, node, input, index }) => `${from}>${node}.${input}.${index}`),
    ).toEqual(['a>b.x.0', 'a.out>c.items.0', 'b.out>c.items.1']);
  });

  it('finds what stands before and behind a node', () => {
    expect([...reach(CHAIN, ['b'], 'down')].sort()).toEqual(['b', 'c']);
    expect([...reach(CHAIN, ['b'], 'up')].sort()).toEqual(['a', 'b']);
    expect(closesCircle(CHAIN, 'c', 'a')).toBe(true);
    expect(closesCircle(CHAIN, 'a', 'c')).toBe(false);
  });

  it('replaces a wire, or joins a list', () => {
    expect(connect(CHAIN, 'c', 'b', 'y').nodes.b?.inputs).toEqual({ x: 'a', y: 'c' });
    expect(connect(CHAIN, 'c', 'b', 'x').nodes.b?.inputs).toEqual({ x: 'c' });
    expect(connect(CHAIN, 'd', 'c', 'items', { append: true }).nodes.c?.inputs).toEqual({
      items: ['a.out', 'b.out', 'd'],
    });
  });

  it('takes a literal away where a wire comes', () => {
    expect(connect(CHAIN, 'b', 'a', 'value').nodes.a?.params).toEqual({});
  });

  it('takes one wire out of a list, and the input with the last', () => {
    const one = disconnect(CHAIN, 'c', 'items', 0);
    expect(one.nodes.c?.inputs).toEqual({ items: ['b.out'] });
    expect(disconnect(one, 'c', 'items', 0).nodes.c?.inputs).toEqual({});
  });
});

describe('nodes', () => {
  it('removes a node with all that names it', () => {
    const left = removeNodes(CHAIN, new Set(['b']));
    expect(left.nodes.c?.inputs).toEqual({ items: ['a.out'] });
    expect(left.parameters).toEqual({ both: { to: ['a.x'] } });
    expect(removeNodes(CHAIN, new Set(['c'])).outputs).toEqual({});
  });

  it('renames a node everywhere', () => {
    const next = renameNode(CHAIN, 'a', 'first');
    expect(next.nodes.b?.inputs).toEqual({ x: 'first' });
    expect(next.nodes.c?.inputs).toEqual({ items: ['first.out', 'b.out'] });
    expect(next.parameters?.both?.to).toEqual(['first.x', 'b.x']);
    expect(renameNode(CHAIN, 'a', 'b')).toBe(CHAIN);
    expect(renameNode(CHAIN, 'a', 'no space')).toBe(CHAIN);
  });

  it('makes ids that the document allows', () => {
    for (const type of ['media/save_video', 'workflow:ä ö', './x.json', '/', 'a/constructor']) {
      expect(freeId(CHAIN, type)).toMatch(ID);
    }
    expect(freeId(CHAIN, 'x/a')).toBe('a_2');
  });

  it('leaves what it does not know alone', () => {
    const next = setParam(setUi(CHAIN, 'a', { x: 5 }), 'a', 'value', 2);
    expect(next.ui).toBe(CHAIN.ui);
    expect(next.nodes.b).toBe(CHAIN.nodes.b);
    expect(next.nodes.a?.ui?.colour).toBe('kept');
  });
});

describe('parameters', () => {
  it('sets every target and the default', () => {
    const next = setParameter(CHAIN, 'seed', 9);
    expect(next.nodes.b?.params?.seed).toBe(9);
    expect(next.parameters?.seed?.default).toBe(9);
    expect(valueOf(next, 'seed')).toBe(9);
  });

  it('takes a wire away where it sets a literal', () => {
    expect(setParameter(CHAIN, 'both', 1).nodes.b?.inputs).toEqual({});
  });

  it('declares a setting under a free name', () => {
    const next = expose(CHAIN, 'a', 'seed', 'why');
    expect(parameterOf(next, 'a', 'seed')).toBe('seed_2');
  });
});

describe('reroutes', () => {
  const through = splitWire(CHAIN, 'c', 'items', 1, { x: 5, y: 6 });

  it('change how a wire is drawn, not what it is', () => {
    expect(through.nodes.c?.inputs).toEqual(CHAIN.nodes.c?.inputs);
    expect(viaOf(through, 'c', 'items', 1, 'b.out')).toBe('reroute');
    expect(viaOf(through, 'c', 'items', 0, 'a.out')).toBeUndefined();
    expect(sameMeaning(through, CHAIN)).toBe(true);
  });

  it('carry all wires along when they get another source', () => {
    const fed = feedReroute(through, 'reroute', 'a.out');
    expect(fed.nodes.c?.inputs).toEqual({ items: ['a.out', 'a.out'] });
  });

  it('refuse to feed themselves', () => {
    const [two] = addReroute(through, { x: 0, y: 0, from: 'reroute:reroute' });
    expect(feedReroute(two, 'reroute', 'reroute:reroute_2')).toBe(two);
    expect(rerouted(two, 'reroute_2')).toBe('b.out');
  });

  it('leave the wire when they go', () => {
    const left = removeMarks(through, ['reroute:reroute']);
    expect(left.nodes.c?.inputs).toEqual(CHAIN.nodes.c?.inputs);
    expect(viaOf(left, 'c', 'items', 1, 'b.out')).toBeUndefined();
  });
});

describe('clipboard', () => {
  it('copies as a document, without wires from outside', () => {
    const piece = copy(CHAIN, new Set(['b', 'c']));
    expect(isWorkflow(piece)).toBe(true);
    expect(piece.nodes.b?.inputs).toEqual({});
    expect(piece.nodes.c?.inputs).toEqual({ items: ['b.out'] });
  });

  it('pastes under free ids, wired as before', () => {
    const [next, ids] = paste(CHAIN, copy(CHAIN, new Set(['a', 'b'])), 10, 20);
    expect([...ids]).toEqual(['a_2', 'b_2']);
    expect(next.nodes.b_2?.inputs).toEqual({ x: 'a_2' });
    expect(next.nodes.a_2?.ui).toMatchObject({ x: 10, y: 20, colour: 'kept' });
  });

  it('takes reroutes along', () => {
    const doc = splitWire(CHAIN, 'b', 'x', 0, { x: 0, y: 0 });
    const [next] = paste(doc, copy(doc, new Set(['a', 'b', 'reroute:reroute'])), 0, 0);
    expect(viaOf(next, 'b_2', 'x', 0, 'a_2')).toBe('reroute_2');
  });

  it('reads a workflow out of text, and nothing else', () => {
    expect(fromText(JSON.stringify(CHAIN))).toEqual(CHAIN);
    for (const text of [
      '',
      'hello',
      '{',
      '{}',
      '[]',
      '{"graphflow":1,"nodes":[]}',
      '{"graphflow":1,"nodes":{"a":{}}}',
    ]) {
      expect(fromText(text)).toBeUndefined();
    }
  });
});

describe('every edit', () => {
  it('leaves a document whose wires, parameters and outputs name nodes that are there', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const doc = actions.reduce<Workflow>((now, change) => change(now), CHAIN);
        const there = (text: string): boolean => Object.hasOwn(doc.nodes, split(text).node);
        for (const { from, node } of links(doc)) {
          expect(there(from)).toBe(true);
          expect(closesCircle(doc, split(from).node, split(from).node === node ? '' : node)).toBe(false);
        }
        expect(Object.values(doc.outputs ?? {}).every(there)).toBe(true);
        for (const { to } of Object.values(doc.parameters ?? {})) expect([to].flat().every(there)).toBe(true);
        expect(Object.keys(doc.nodes).every((id) => ID.test(id))).toBe(true);
        for (const entry of Object.values(doc.nodes)) {
          expect(
            Object.keys(entry.params ?? {}).filter((name) => Object.hasOwn(entry.inputs ?? {}, name)),
          ).toEqual([]);
        }
        expect(JSON.parse(JSON.stringify(doc))).toEqual(doc);
      }),
      { numRuns: 300 },
    );
  });
});
