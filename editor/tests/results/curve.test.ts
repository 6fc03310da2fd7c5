import { describe, expect, it } from 'vitest';
import { drawn, figure, inWords, pointOf } from '../../src/results/curve';

const FRAME = { width: 100, height: 50, margin: 10 };

describe('a curve', () => {
  it('goes from edge to edge, the least value below, the greatest above', () => {
    expect(drawn([0, 5, 10], FRAME)).toEqual({ paths: ['M10 40h0L50 25L90 10'], low: 0, high: 10 });
  });
  it('has a gap where there is no number', () => {
    expect(drawn([0, null, 10, 10], FRAME).paths).toEqual(['M10 40h0', 'M63.3 10h0L90 10']);
    expect(drawn([null, null], FRAME).paths).toEqual([]);
  });
  it('that never changes lies in the middle', () => {
    expect(drawn([3, 3], FRAME).paths).toEqual(['M10 25h0L90 25']);
  });
  it('tells where one value lies', () => {
    expect(pointOf(10, 2, 3, 0, 10, FRAME)).toEqual({ x: 90, y: 10 });
  });
  it('of a hundred thousand values is no trouble', () => {
    const many = Array.from({ length: 100_000 }, (_, place) => place / 7);
    expect(drawn(many, FRAME).high).toBeCloseTo(99_999 / 7);
  });
});

describe('in words', () => {
  it('a curve is told by its range and its ends', () => {
    expect(inWords({ name: 'flicker', unit: '%', values: [0.25, null, 0.123456, 0.5] })).toBe(
      'flicker: 4 values from 0.1235 to 0.5 %, first 0.25, last 0.5',
    );
    expect(inWords({ name: 'flicker', unit: '', values: [null] })).toBe('flicker: no numbers');
  });
  it('a number with a fraction has four digits', () => {
    expect([123456, 1.23456, 0.000123456, null].map(figure)).toEqual([
      '123456',
      '1.235',
      '0.0001235',
      'none',
    ]);
  });
});
