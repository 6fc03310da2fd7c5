/** What commands need of the canvas: where things lie, what is in view, how to move there. */

import type { ReactFlowInstance } from '@xyflow/react';
import { useEffect } from 'react';
import type { Box } from '../document/types';
import { inside, mark } from '../document/annotate';
import { boxOf, type FlowNode, type WireEdge } from './flow';

interface Stage {
  readonly flow: ReactFlowInstance<FlowNode, WireEdge>;
  readonly nodes: readonly FlowNode[];
}

/** The canvas on the screen, if there is one. The page has one stage; commands reach it here. */
const stage: { now: Stage | undefined } = { now: undefined };

export function useStage(flow: Stage['flow'], nodes: readonly FlowNode[], tab: string): void {
  useEffect(() => {
    stage.now = { flow, nodes };
  }, [flow, nodes, tab]);
  useEffect(() => () => void (stage.now = undefined), []);
}

/** Boxes of nodes and marks by id; of all, or of those named. */
export function boxes(ids?: ReadonlySet<string>): Map<string, Box> {
  const found = new Map<string, Box>();
  for (const node of stage.now?.nodes ?? []) {
    if (ids === undefined || ids.has(node.id)) found.set(node.id, boxOf(node));
  }
  return found;
}

/** The middle of what is in view, on the canvas. */
export function middle(): { x: number; y: number } {
  const pane = document.querySelector('.react-flow')?.getBoundingClientRect();
  if (stage.now === undefined || pane === undefined) return { x: 0, y: 0 };
  return stage.now.flow.screenToFlowPosition({ x: pane.x + pane.width / 2, y: pane.y + pane.height / 2 });
}

export function fit(ids?: Iterable<string>): void {
  const nodes = ids && [...ids].map((id) => ({ id }));
  void stage.now?.flow.fitView({ padding: 0.15, maxZoom: 1.1, duration: motion(), ...(nodes && { nodes }) });
}

/** Bring a node into the middle. */
export function goTo(id: string): void {
  const box = boxes(new Set([id])).get(id);
  if (box === undefined || stage.now === undefined) return;
  const zoom = Math.max(stage.now.flow.getZoom(), 0.7);
  void stage.now.flow.setCenter(box.x + box.width / 2, box.y + box.height / 2, { zoom, duration: motion() });
  focusNode(id);
}

/** Frames that a node may take to be drawn when it comes into view. */
const PATIENCE = 60;

/** Give a node the focus as soon as it is drawn. */
export function focusNode(id: string, patience = PATIENCE): void {
  requestAnimationFrame(() => {
    const found = document.querySelector<HTMLElement>(`.react-flow__node[data-id="${CSS.escape(id)}"]`);
    if (found !== null) found.focus({ preventScroll: true });
    else if (patience > 0) focusNode(id, patience - 1);
  });
}

/** Give a node the focus, and bring it into view if it is not. */
export function visit(id: string): void {
  if (document.querySelector(`.react-flow__node[data-id="${CSS.escape(id)}"]`) === null) goTo(id);
  else focusNode(id); // the canvas itself moves to what is half in view
}

/** The node that the focus is on or in, if it is on one. */
export function focusedNode(): string | undefined {
  return document.activeElement?.closest<HTMLElement>('.react-flow__node')?.dataset.id;
}

/** The nodes in the order in which Tab goes through them. */
export function nodesInOrder(): string[] {
  return (stage.now?.nodes ?? []).filter((node) => node.type === 'graph').map((node) => node.id);
}

export function zoom(way: 'in' | 'out' | 'reset'): void {
  const flow = stage.now?.flow;
  if (way === 'in') void flow?.zoomIn({ duration: motion() });
  else if (way === 'out') void flow?.zoomOut({ duration: motion() });
  else void flow?.zoomTo(1, { duration: motion() });
}

function motion(): number {
  return matchMedia('(prefers-reduced-motion: reduce)').matches ? 0 : 220;
}

/** What lies within a group, by place. */
export function within(group: string): string[] {
  const frame = boxes(new Set([group])).get(group);
  if (frame === undefined || mark(group)?.kind !== 'group') return [];
  return [...boxes()].filter(([id, box]) => id !== group && inside(box, frame)).map(([id]) => id);
}
