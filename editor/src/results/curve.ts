/** Where the points of a curve are drawn, and how it is told in words. Pure. */

import type { Series } from '../connection/messages';

export interface Frame {
  readonly width: number;
  readonly height: number;
  /** Room around the line. */
  readonly margin: number;
}

export interface Drawn {
  /** Lines as SVG paths; one for each stretch without a gap. */
  readonly paths: readonly string[];
  readonly low: number;
  readonly high: number;
}

/** The lines of a curve within a frame; one that never changes lies in the middle. */
export function drawn(values: Series['values'], frame: Frame): Drawn {
  const known = values.filter((one) => one !== null);
  const low = known.reduce((least, one) => Math.min(least, one), Infinity);
  const high = known.reduce((most, one) => Math.max(most, one), -Infinity);
  if (known.length === 0) return { paths: [], low: 0, high: 0 };
  const paths: string[] = [];
  let path = '';
  values.forEach((value, place) => {
    if (value === null) {
      if (path !== '') paths.push(path);
      path = '';
      return;
    }
    const { x, y } = pointOf(value, place, values.length, low, high, frame);
    path += path === '' ? `M${x} ${y}h0` : `L${x} ${y}`;
  });
  if (path !== '') paths.push(path);
  return { paths, low, high };
}

/** Where one value lies. */
export function pointOf(
  value: number,
  place: number,
  count: number,
  low: number,
  high: number,
  { width, height, margin }: Frame,
): { x: number; y: number } {
  const share = high > low ? (value - low) / (high - low) : 0.5;
  const x = margin + (place / Math.max(1, count - 1)) * (width - 2 * margin);
  return { x: tenth(x), y: tenth(height - margin - share * (height - 2 * margin)) };
}

const tenth = (value: number): number => Math.round(value * 10) / 10;

/** A number as it stands beside a curve: a whole one as it is, of another four digits. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined) return 'none';
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(4)));
}

/** A curve in words, for those who do not see it. */
export function inWords({ name, unit, values }: Series): string {
  const known = values.filter((one) => one !== null);
  if (known.length === 0) return `${name}: no numbers`;
  const { low, high } = drawn(values, { width: 1, height: 1, margin: 0 });
  const of = unit === '' ? '' : ` ${unit}`;
  const [first, last] = [known[0], known[known.length - 1]];
  return `${name}: ${values.length} values from ${figure(low)} to ${figure(high)}${of}, first ${figure(first)}, last ${figure(last)}`;
}
