/** The wire that is being dragged: ports show whether they would take it. */

import { create } from 'zustand';
import { inputShape } from '../schema/defs';
import { judgeShapes } from '../schema/judge';
import type { Shape } from '../schema/shapes';
import { defOf, useCatalogue } from '../store/catalogue';
import { activeDoc } from '../store/tabs';
import { shapeAt } from './connect';

interface State {
  /** Where it began; empty if none is dragged. */
  node: string;
  port: string;
  side: 'source' | 'target' | '';
  shape: Shape | undefined;
}

const NOTHING: State = { node: '', port: '', side: '', shape: undefined };

export const useDrag = create<State>(() => NOTHING);

export function beginDrag(node: string, port: string, side: 'source' | 'target'): void {
  const def = defOf(activeDoc().nodes[node]?.type ?? '');
  const shape = side === 'source' ? shapeAt(node, port) : def && inputShape(def, port);
  useDrag.setState({ node, port, side, shape });
}

export function endDrag(): void {
  useDrag.setState(NOTHING);
}

/** How a port stands to the wire that is dragged. */
export function useFit(node: string, side: 'source' | 'target', shape: Shape): '' | 'fits' | 'refuses' {
  return useDrag((state) => {
    if (state.side === '' || state.shape === undefined) return '';
    if (state.node === node || state.side === side) return 'refuses';
    const [want, have] = side === 'target' ? [shape, state.shape] : [state.shape, shape];
    const verdict = judgeShapes(want, have, useCatalogue.getState().catalogue);
    return verdict.ok || verdict.converter !== undefined ? 'fits' : 'refuses';
  });
}
