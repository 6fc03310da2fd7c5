import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { moveTo } from '../../src/document/nodes';
import { Reading, readingOrder } from '../../src/document/order';
import type { Workflow } from '../../src/document/types';
import { connect, links, split } from '../../src/document/wires';

const doc = (nodes: Record<string, [number, number, Record<string, string>?]>): Workflow => ({
  graphflow: 1,
  nodes: Object.fromEntries(
    Object.entries(nodes).map(([id, [x, y, inputs]]) => [id, { type: 't', inputs, ui: { x, y } }]),
  ),
});

describe('the order in which a graph is read', () => {
  it('goes along the wires, whatever the names and places', () => {
    expect(readingOrder(doc({ a: [0, 0, { in: 'b' }], b: [900, 0, { in: 'c.out' }], c: [400, 0] }))).toEqual([
      'c',
      'b',
      'a',
    ]);
  });

  it('goes from left to right and down where no wire says', () => {
    expect(readingOrder(doc({ a: [300, 0], b: [0, 200], c: [0, 100] }))).toEqual(['c', 'b', 'a']);
  });

  it('goes to the end of a chain before the next one', () => {
    const chains = doc({ a: [0, 0], b: [0, 100], a2: [300, 0, { in: 'a' }], b2: [300, 100, { in: 'b' }] });
    expect(readingOrder(chains)).toEqual(['a', 'a2', 'b', 'b2']);
  });

  it('has those of a circle, and wires from nowhere do not matter', () => {
    const found = readingOrder(
      doc({ a: [0, 0, { in: 'b' }], b: [0, 0, { in: 'a' }], c: [9, 9, { in: 'gone' }] }),
    );
    expect(found).toEqual(['c', 'a', 'b']);
  });

  it('has every node of any graph once, behind all that feed it', () => {
    const graph = fc
      .array(fc.tuple(fc.integer({ min: 0, max: 900 }), fc.array(fc.nat(), { maxLength: 3 })), {
        maxLength: 30,
      })
      .map((rows) =>
        doc(
          Object.fromEntries(
            rows.map(([x, wires], place) => [
              `n${place}`,
              [
                x,
                0,
                Object.fromEntries(
                  place === 0 ? [] : wires.map((to, port) => [`p${port}`, `n${to % place}`]),
                ),
              ],
            ]),
          ),
        ),
      );
    fc.assert(
      fc.property(graph, (one) => {
        const found = readingOrder(one);
        expect([...found].sort()).toEqual(Object.keys(one.nodes).sort());
        for (const { from, node } of links(one))
          expect(found.indexOf(split(from).node)).toBeLessThan(found.indexOf(node));
      }),
    );
  });

  it('stays while nodes are moved, and follows new wires', () => {
    const reading = new Reading();
    const before = doc({ a: [0, 0], b: [100, 0] });
    const order = reading.of(before);
    expect(reading.of(moveTo(before, new Map([['b', { x: -500, y: 0 }]])))).toBe(order);
    expect(reading.of(connect(before, 'b', 'a', 'in'))).toEqual(['b', 'a']);
  });
});
