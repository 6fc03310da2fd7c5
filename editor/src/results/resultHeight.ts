/** How much room a node's result takes, known before anything is drawn. */

import { RESULT, RESULT_SMALL } from '../schema/geometry';
import type { Def } from '../schema/defs';
import { coreOf, type Shape } from '../schema/shapes';
import { useCatalogue } from '../store/catalogue';
import { resultsOf, type TabRun } from '../store/runs';

export type Kind = 'media' | 'small' | 'none';

const MEDIA = new Set(['image', 'video', 'file', 'plot', 'table']);

/** What kind of result a type of node has. */
export function kindOf(def: Def | undefined): Kind {
  if (def === undefined) return 'none';
  const { types } = useCatalogue.getState().catalogue;
  const shows = def.outputs.map(({ shape }) =>
    isCurve(shape) ? 'plot' : (types.get(coreOf(shape))?.shows ?? 'none'),
  );
  if (shows.some((one) => MEDIA.has(one))) return 'media';
  return shows.every((one) => one === 'none') ? 'none' : 'small';
}

const PICTURED = new Set(['image', 'video', 'file']);

/** Whether a type of node gives what may be a picture or a clip. */
export function givesPictures(def: Def | undefined): boolean {
  const { types } = useCatalogue.getState().catalogue;
  return def?.outputs.some(({ shape }) => PICTURED.has(types.get(coreOf(shape))?.shows ?? '')) === true;
}

/** A list of numbers with fractions is drawn. */
function isCurve(shape: Shape): boolean {
  return typeof shape === 'object' && 'list' in shape && shape.list === 'float';
}

export function resultHeight(run: TabRun, id: string, def: Def | undefined): number {
  if (run.previewed[id] === true) return RESULT;
  const kind = kindOf(def);
  if (kind === 'none' || resultsOf(run, id, def) === undefined) {
    const told = kind === 'small' && run.values[id] !== undefined;
    return told ? RESULT_SMALL : 0;
  }
  return kind === 'media' ? RESULT : RESULT_SMALL;
}
