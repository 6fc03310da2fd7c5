/** Align and distribute boxes. Pure: boxes in, new places out. */

import type { Point } from './nodes';
import type { Box } from './types';

export type Side = 'left' | 'right' | 'top' | 'bottom' | 'middle' | 'centre';

export function align(boxes: ReadonlyMap<string, Box>, side: Side): Map<string, Point> {
  const all = [...boxes.values()];
  const left = Math.min(...all.map((box) => box.x));
  const top = Math.min(...all.map((box) => box.y));
  const right = Math.max(...all.map((box) => box.x + box.width));
  const bottom = Math.max(...all.map((box) => box.y + box.height));
  const place: Record<Side, (box: Box) => Point> = {
    left: (box) => ({ x: left, y: box.y }),
    right: (box) => ({ x: right - box.width, y: box.y }),
    top: (box) => ({ x: box.x, y: top }),
    bottom: (box) => ({ x: box.x, y: bottom - box.height }),
    centre: (box) => ({ x: (left + right - box.width) / 2, y: box.y }),
    middle: (box) => ({ x: box.x, y: (top + bottom - box.height) / 2 }),
  };
  return new Map([...boxes].map(([id, box]) => [id, place[side](box)]));
}

/** Equal gaps between boxes, the first and last stay. */
export function distribute(boxes: ReadonlyMap<string, Box>, way: 'x' | 'y'): Map<string, Point> {
  const size = way === 'x' ? 'width' : 'height';
  const sorted = [...boxes].sort(([, a], [, b]) => a[way] - b[way]);
  const first = sorted[0]?.[1];
  const last = sorted[sorted.length - 1]?.[1];
  if (first === undefined || last === undefined || sorted.length < 3) return new Map();
  const taken = sorted.reduce((sum, [, box]) => sum + box[size], 0);
  const gap = (last[way] + last[size] - first[way] - taken) / (sorted.length - 1);
  let at = first[way];
  return new Map(
    sorted.map(([id, box]) => {
      const place = way === 'x' ? { x: at, y: box.y } : { x: box.x, y: at };
      at += box[size] + gap;
      return [id, place];
    }),
  );
}

export function bounds(boxes: Iterable<Box>, margin = 0): Box | undefined {
  const all = [...boxes];
  if (all.length === 0) return undefined;
  const x = Math.min(...all.map((box) => box.x)) - margin;
  const y = Math.min(...all.map((box) => box.y)) - margin;
  const right = Math.max(...all.map((box) => box.x + box.width)) + margin;
  const bottom = Math.max(...all.map((box) => box.y + box.height)) + margin;
  return { x, y, width: right - x, height: bottom - y };
}
