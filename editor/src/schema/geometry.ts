/**
 * A node's size and the places of its ports, from its type alone. React Flow gets them beforehand, so that it need not draw
 * a node to know where its wires end. The numbers are the ones of style/node.css.
 */

import { own } from '../document/records';
import type { NodeEntry } from '../document/types';
import type { Def, Setting } from './defs';

export const WIDTH = 252;
export const HEADER = 32;
export const ROW = 22;
export const GAP = 6;
export const FIELD = 30;
export const AREA = 92;
export const MORE = 24;
export const RESULT = 168;
export const RESULT_SMALL = 60;
export const DOT = 11;

const SHOW_ALL = 4;

export interface Shown {
  readonly settings: readonly Setting[];
  /** How many are folded away; 0 if all are there. */
  readonly hidden: number;
  readonly foldable: boolean;
}

/** The settings that stand on the node: all of a small one, else those that tell something. */
export function shownSettings(def: Def, entry: NodeEntry): Shown {
  if (def.settings.length <= SHOW_ALL) return { settings: def.settings, hidden: 0, foldable: false };
  if (entry.ui?.expanded === true) return { settings: def.settings, hidden: 0, foldable: true };
  const telling = def.settings.filter(
    (one) =>
      one.required ||
      one.widget === 'textarea' ||
      one.widget === 'seed' ||
      one.widget === 'model' ||
      one.widget === 'file' ||
      own(entry.params, one.name) !== undefined ||
      own(entry.inputs, one.name) !== undefined,
  );
  const settings = telling.length > 0 ? telling : def.settings.slice(0, 2);
  return { settings, hidden: def.settings.length - settings.length, foldable: true };
}

export interface Place {
  readonly name: string;
  readonly kind: 'port' | 'setting' | 'output';
  readonly y: number;
}

export interface Geometry {
  readonly width: number;
  readonly height: number;
  /** Centres of ports from the top of the node. */
  readonly places: readonly Place[];
}

export function fieldHeight(setting: Setting, wired: boolean): number {
  return setting.widget === 'textarea' && !wired ? AREA : FIELD;
}

export function geometry(def: Def, entry: NodeEntry, result: number): Geometry {
  const width = typeof entry.ui?.width === 'number' ? entry.ui.width : WIDTH;
  if (entry.ui?.collapsed === true) return collapsed(def, width);
  const places: Place[] = [];
  let y = HEADER + GAP;
  def.ports.forEach((port, row) =>
    places.push({ name: port.name, kind: 'port', y: y + row * ROW + ROW / 2 }),
  );
  def.outputs.forEach((output, row) =>
    places.push({ name: output.name, kind: 'output', y: y + row * ROW + ROW / 2 }),
  );
  y += Math.max(def.ports.length, def.outputs.length) * ROW + GAP;
  const { settings, foldable } = shownSettings(def, entry);
  for (const setting of settings) {
    places.push({ name: setting.name, kind: 'setting', y: y + FIELD / 2 - 1 });
    y += fieldHeight(setting, own(entry.inputs, setting.name) !== undefined);
  }
  if (foldable) y += MORE;
  if (settings.length > 0) y += GAP;
  return { width, height: y + result, places };
}

/** Only the header; all ports lie on its edges. */
function collapsed(def: Def, width: number): Geometry {
  const y = HEADER / 2;
  return {
    width,
    height: HEADER,
    places: [
      ...def.ports.map((port) => ({ name: port.name, kind: 'port' as const, y })),
      ...def.settings.map((one) => ({ name: one.name, kind: 'setting' as const, y })),
      ...def.outputs.map((output) => ({ name: output.name, kind: 'output' as const, y })),
    ],
  };
}
