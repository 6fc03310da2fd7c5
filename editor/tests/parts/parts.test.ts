import { describe, expect, it } from 'vitest';
import { align, bounds, distribute } from '../../src/document/arrange';
import { score, search } from '../../src/parts/fuzzy';
import { bare, basisOf, duration, itemName, linesOf, size } from '../../src/parts/text';

describe('fuzzy search', () => {
  const names = ['Save video', 'Save image', 'Load video', 'Video to images', 'Denoise', 'Vae decode'];
  it('puts the best first', () => {
    expect(search('sv', names, (one) => [one])[0]).toBe('Save video');
    expect(search('video', names, (one) => [one])[0]).toBe('Video to images');
    expect(search('image sa', names, (one) => [one])).toEqual(['Save image']);
  });
  it('shows all without a query and none for nonsense', () => {
    expect(search(' ', names, (one) => [one])).toEqual(names);
    expect(search('qqq', names, (one) => [one])).toEqual([]);
    expect(score('x', '')).toBeNull();
  });
});

describe('boxes', () => {
  const boxes = new Map([
    ['a', { x: 0, y: 0, width: 10, height: 10 }],
    ['b', { x: 30, y: 5, width: 20, height: 30 }],
    ['c', { x: 100, y: 50, width: 10, height: 10 }],
  ]);
  it('are aligned', () => {
    expect([...align(boxes, 'left').values()].map(({ x }) => x)).toEqual([0, 0, 0]);
    expect([...align(boxes, 'bottom').values()].map(({ y }) => y)).toEqual([50, 30, 50]);
  });
  it('get equal gaps', () => {
    expect(distribute(boxes, 'x').get('b')).toEqual({ x: 45, y: 5 });
    expect(distribute(new Map([...boxes].slice(0, 2)), 'x').size).toBe(0);
  });
  it('have bounds', () =>
    expect(bounds(boxes.values(), 5)).toEqual({ x: -5, y: -5, width: 120, height: 70 }));
});

describe('a docstring', () => {
  it('is read by lines of its own and paragraphs, not by where its author broke it', () => {
    const doc =
      'Decode a clip\ninto frames.\n\ntile: pixels; saves\nmemory.\nfps, size: as made.\nReturns it.';
    expect(linesOf(doc)).toEqual([
      'Decode a clip into frames.',
      'tile: pixels; saves memory.',
      'fps, size: as made.',
      'Returns it.',
    ]);
    expect(linesOf('')).toEqual([]);
  });

  it('has no marks in a tip', () => expect(bare('in place of `guidance`')).toBe('in place of guidance'));
});

describe('figures', () => {
  it('are short', () => {
    expect([
      duration(0.001),
      duration(0.25),
      duration(3.21),
      duration(42),
      duration(600),
      duration(9000),
    ]).toEqual(['0 s', '0.3 s', '3.2 s', '42 s', '10 min', '2.5 h']);
    expect([size(12), size(1_500), size(2.5e9)]).toEqual(['12 B', '1.5 kB', '2.5 GB']);
  });
});

describe('an expected time', () => {
  it('says what it rests on', () => {
    expect(basisOf({ basis: 'node', scaled: [] })).toBe('measured on this node');
    expect(basisOf({ basis: 'type', scaled: ['frames', 'steps'] })).toBe(
      'measured on other nodes of its type, in proportion to frames, steps',
    );
    expect(basisOf({ basis: '', scaled: [] })).toBe('');
  });
});

it('items are counted as people do', () => {
  expect(['0', '2.0', '11'].map(itemName)).toEqual(['1', '3.1', '12']);
});
