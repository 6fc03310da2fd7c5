/** One node of the workflow: title, ports, settings, result. */

import { Handle, Position, useStore, type NodeProps } from '@xyflow/react';
import { memo, type CSSProperties } from 'react';
import { setUi, titleOf } from '../document/nodes';
import { own } from '../document/records';
import { hasForm, useDef } from '../store/catalogue';
import { edit } from '../store/tabs';
import { openDialog } from '../store/ui';
import { shownSettings } from '../schema/geometry';
import type { Def } from '../schema/defs';
import { Icon } from '../parts/icons';
import { NodeResult } from '../results/NodeResult';
import { FieldRow } from '../widgets/FieldRow';
import { NodeHeader, NodeProgress } from './NodeHeader';
import { PortRow, SettingPort } from './PortRow';
import { shownDef, type GraphFlowNode } from './flow';
import { useNodeState } from './state';

const FAR = 0.35;
const isFar = (state: { transform: [number, number, number] }): boolean => state.transform[2] < FAR;

export const GraphNode = memo(function GraphNode({ id, data, selected }: NodeProps<GraphFlowNode>) {
  const { entry, color } = data;
  const known = useDef(entry.type);
  const far = useStore(isFar);
  const state = useNodeState(id);
  const def = known ?? shownDef(undefined, entry, data.used);
  const mode = entry.ui?.mode;
  const names = [
    'node',
    state,
    mode ?? '',
    selected ? 'selected' : '',
    known ? '' : 'unknown',
    far ? 'far' : '',
  ];
  const collapsed = entry.ui?.collapsed === true;
  return (
    <div
      className={names.filter(Boolean).join(' ')}
      style={{ '--tint': color, height: '100%' } as CSSProperties}
    >
      <NodeHeader id={id} entry={entry} def={def} known={known !== undefined} state={state} far={far} />
      <NodeProgress id={id} state={state} />
      {far || collapsed ? (
        <BareHandles def={def} collapsed={collapsed} entry={entry} />
      ) : (
        <Body id={id} def={def} entry={entry} />
      )}
    </div>
  );
});

type BodyProps = { id: string; def: Def; entry: GraphFlowNode['data']['entry'] };

function Body({ id, def, entry }: BodyProps) {
  const { settings, hidden, foldable } = shownSettings(def, entry);
  const rows = Math.max(def.ports.length, def.outputs.length);
  const title = titleOf(entry, def.title);
  return (
    <>
      {rows > 0 && (
        <div className="ports">
          {def.ports.map((port, row) => (
            <PortRow
              key={port.name}
              node={id}
              title={title}
              side="target"
              port={port}
              row={row}
              wired={own(entry.inputs, port.name) !== undefined}
            />
          ))}
          {def.outputs.map((output, row) => (
            <PortRow
              key={output.name}
              node={id}
              title={title}
              side="source"
              port={output}
              row={row}
              wired
              sole={def.outputs.length === 1}
            />
          ))}
        </div>
      )}
      {settings.length > 0 && (
        <div className="fields">
          {settings.map((setting) => (
            <div className="field-slot" key={setting.name}>
              <SettingPort node={id} title={title} setting={setting} />
              <FieldRow node={id} entry={entry} setting={setting} place="node" />
            </div>
          ))}
          {foldable && (
            <div className="more-line">
              <button
                type="button"
                className="more nodrag"
                aria-expanded={hidden === 0}
                onClick={() =>
                  edit(hidden ? 'show all settings' : 'show fewer settings', (doc) =>
                    setUi(doc, id, { expanded: hidden > 0 ? true : undefined }),
                  )
                }
              >
                <Icon name={hidden > 0 ? 'right' : 'down'} size={11} />
                {hidden > 0 ? `${hidden} more` : 'fewer'}
              </button>
              {hasForm(entry.type) && (
                <button
                  type="button"
                  className="more nodrag"
                  onClick={() => openDialog('form', { node: id })}
                >
                  <Icon name="app" size={11} />
                  as a form
                </button>
              )}
            </div>
          )}
        </div>
      )}
      <NodeResult id={id} def={def} />
    </>
  );
}

/** From afar and collapsed a node is its title; the ports stay, or its wires would end nowhere. */
function BareHandles({ def, collapsed, entry }: Omit<BodyProps, 'id'> & { collapsed: boolean }) {
  const { settings } = shownSettings(def, entry);
  const top = (row: number): CSSProperties => (collapsed ? { top: '50%' } : { top: 38 + 22 * row + 11 });
  const shown = collapsed ? def.settings : settings;
  return (
    <>
      {[...def.ports, ...shown].map((port, row) => (
        <Handle
          key={port.name}
          id={port.name}
          type="target"
          position={Position.Left}
          style={top(row)}
          aria-hidden
        />
      ))}
      {def.outputs.map((output, row) => (
        <Handle
          key={output.name}
          id={output.name}
          type="source"
          position={Position.Right}
          style={top(row)}
          aria-hidden
        />
      ))}
    </>
  );
}
