import { describe, expect, it } from 'vitest';
import golden from '../../../tests/golden/type_fits.json';
import {
  coreOf,
  describe as written,
  itemShapes,
  levels,
  parseShape,
  type Shape,
} from '../../src/schema/shapes';

describe('which wire fits which port', () => {
  const known: Readonly<Record<string, readonly string[]>> = golden.bases;
  const bases = (name: string): readonly string[] => known[name] ?? [];
  const pairs = golden.pairs as readonly { want: Shape; have: Shape; levels: number | null }[];

  it('is what the engine says, case by case', () => {
    const wrong = pairs.filter((one) => levels(one.want, one.have, bases) !== one.levels);
    expect(wrong).toEqual([]);
    expect(pairs.length).toBeGreaterThan(50);
  });
});

describe('types in writing', () => {
  it('are read back', () => {
    expect(parseShape('list[Video]')).toEqual({ list: 'Video' });
    expect(parseShape('list[int | None]')).toEqual({ list: { any_of: ['int', 'None'] } });
    expect(parseShape("'a' | 'b'")).toEqual({ one_of: ['a', 'b'] });
    expect(parseShape('tuple[int, ...]')).toEqual({ tuple_of: 'int' });
    expect(parseShape('dict[str, list[float]]')).toEqual({ dict: ['str', { list: 'float' }] });
    expect(parseShape('?!')).toBe('any');
  });

  it('are told to people', () => {
    expect(written({ any_of: ['Image', { list: 'Video' }, 'None'] })).toBe('Image or list of Video');
    expect(written({ any_of: ['str', { list: 'int' }] })).toBe('text or list of whole numbers');
    expect([written('float'), written('bool'), written('None')]).toEqual(['number', 'yes or no', 'nothing']);
    expect(coreOf({ any_of: ['None', { list: 'Video' }] })).toBe('Video');
    expect(itemShapes({ any_of: [{ list: 'Video' }, { list: 'Image' }, 'None'] })).toEqual([
      'Video',
      'Image',
    ]);
  });
});
