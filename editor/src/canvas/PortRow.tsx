/** Ports: a dot in the colour of its type and a name. Also by keyboard: Enter lists what it may be wired to. */

import { Handle, Position } from '@xyflow/react';
import { memo, type CSSProperties, type KeyboardEvent } from 'react';
import { openDialog } from '../store/ui';
import { typeColor } from '../schema/colors';
import type { Setting } from '../schema/defs';
import { coreOf, describe, takesList, type Shape } from '../schema/shapes';
import { bare, label } from '../parts/text';
import { useFit } from './drag';
import { faultAt } from '../store/runs';
import { useTabRun } from './state';
import { parseShape } from '../schema/shapes';

interface Props {
  readonly node: string;
  readonly title: string;
  readonly side: 'source' | 'target';
  readonly port: {
    readonly name: string;
    readonly shape: Shape;
    readonly required?: boolean;
    readonly doc?: string;
  };
  readonly row: number;
  readonly wired: boolean;
  readonly sole?: boolean;
}

function listed(shape: Shape, side: 'source' | 'target'): boolean {
  return side === 'source' ? typeof shape === 'object' && 'list' in shape : takesList(shape);
}

function onKey(node: string, port: string, side: 'source' | 'target') {
  return (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    event.stopPropagation();
    openDialog('connect', { node, port, side });
  };
}

export const PortRow = memo(function PortRow({ node, title, side, port, row, wired, sole }: Props) {
  const told = useTabRun((run) => (side === 'source' ? run.types[node]?.[port.name] : undefined));
  const shape = told === undefined ? port.shape : parseShape(told);
  const fit = useFit(node, side, shape);
  const fault = useTabRun((run) => (side === 'target' ? faultAt(run, node, port.name) : ''));
  const color = typeColor(coreOf(shape));
  const many = listed(shape, side);
  const name = sole === true && port.name === 'out' ? describe(shape) : label(port.name);
  const names = [
    'port',
    side,
    fit,
    wired ? 'wired' : '',
    many ? 'list' : '',
    port.required === false ? 'optional' : '',
    fault ? 'faulty' : '',
  ];
  const text = `${side === 'source' ? 'output' : 'input'} ${port.name} of ${title}: ${describe(shape)}`;
  return (
    <div
      className={names.filter(Boolean).join(' ')}
      style={{ gridRow: row + 1, '--c': color } as CSSProperties}
      title={fault || `${describe(shape)}${port.doc ? `\n${bare(port.doc)}` : ''}`}
    >
      <Handle
        id={port.name}
        type={side}
        position={side === 'source' ? Position.Right : Position.Left}
        role="button"
        tabIndex={0}
        aria-label={text}
        data-testid={`port-${node}-${side === 'source' ? 'out' : 'in'}-${port.name}`}
        onKeyDown={onKey(node, port.name, side)}
      />
      <span className="port-name">{name}</span>
      {many && <span className="port-many">list</span>}
    </div>
  );
});

/** A setting may be wired too: its dot shows when a fitting wire is dragged, or is there. */
export const SettingPort = memo(function SettingPort({
  node,
  title,
  setting,
}: {
  node: string;
  title: string;
  setting: Setting;
}) {
  const fit = useFit(node, 'target', setting.shape);
  const color = typeColor(coreOf(setting.shape));
  return (
    <Handle
      id={setting.name}
      type="target"
      position={Position.Left}
      className={`setting-port ${fit}`}
      style={{ '--c': color } as CSSProperties}
      role="button"
      tabIndex={-1}
      aria-label={`setting ${setting.name} of ${title} as input: ${describe(setting.shape)}`}
      data-testid={`port-${node}-in-${setting.name}`}
    />
  );
});
