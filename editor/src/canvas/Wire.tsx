/** Wires in the colour of their type, and the one that is being dragged, with the reason if it would be refused. */

import {
  BaseEdge,
  getBezierPath,
  useConnection,
  type ConnectionLineComponentProps,
  type EdgeProps,
} from '@xyflow/react';
import { memo } from 'react';
import { outer } from '../store/runs';
import { typeColor } from '../schema/colors';
import { coreOf } from '../schema/shapes';
import { verdictOf } from './connect';
import { useDrag } from './drag';
import type { FlowNode, WireEdge } from './flow';
import { useNodeState } from './state';

export const Wire = memo(function Wire(props: EdgeProps<WireEdge>) {
  const {
    id,
    source,
    target,
    sourceX,
    sourceY,
    targetX,
    targetY,
    sourcePosition,
    targetPosition,
    selected,
    data,
  } = props;
  const [path] = getBezierPath({
    sourceX,
    sourceY,
    targetX,
    targetY,
    sourcePosition,
    targetPosition,
    curvature: 0.3,
  });
  const from = useNodeState(outer(source));
  const to = useNodeState(outer(target));
  const stale = to === 'will' && from === 'will';
  const names = [
    'wire',
    selected ? 'selected' : '',
    data?.list ? 'list' : '',
    stale ? 'stale' : '',
    to === 'running' ? 'live' : '',
  ];
  return (
    <BaseEdge
      id={id}
      path={path}
      className={names.filter(Boolean).join(' ')}
      style={{ stroke: data?.color }}
      interactionWidth={14}
    />
  );
});

export function DraggedWire({
  fromX,
  fromY,
  toX,
  toY,
  fromPosition,
  toPosition,
}: ConnectionLineComponentProps<FlowNode>) {
  const [path] = getBezierPath({
    sourceX: fromX, sourceY: fromY, sourcePosition: fromPosition, targetX: toX, targetY: toY, targetPosition: toPosition,
  }); // prettier-ignore
  const shape = useDrag((state) => state.shape);
  const text = useReason();
  return (
    <g className="dragged">
      <path
        className="wire"
        d={path}
        fill="none"
        style={{ stroke: typeColor(shape === undefined ? 'any' : coreOf(shape)) }}
      />
      {text !== '' && (
        <foreignObject x={toX + 14} y={toY - 14} width={260} height={90} className="reason-frame">
          <div className="reason" role="status">
            {text}
          </div>
        </foreignObject>
      )}
    </g>
  );
}

/** Why the port under the pointer refuses the wire; or what will be done to make it fit. */
function useReason(): string {
  return useConnection<FlowNode, string>((connection) => {
    const { fromHandle, toHandle } = connection;
    if (!fromHandle || !toHandle || fromHandle.type === toHandle.type) return '';
    const [out, into] = fromHandle.type === 'source' ? [fromHandle, toHandle] : [toHandle, fromHandle];
    const verdict = verdictOf({
      source: out.nodeId,
      output: out.id ?? '',
      target: into.nodeId,
      input: into.id ?? '',
    });
    if (verdict.converter) return `through ${verdict.converter.node}`;
    if (verdict.ok && verdict.mapped) return 'runs once for each item of the list';
    if (verdict.ok && verdict.append) return 'joins the list';
    return verdict.reason;
  });
}
