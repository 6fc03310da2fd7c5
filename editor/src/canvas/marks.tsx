/** What stands on the canvas beside nodes: groups, notes, reroutes. */

import { Handle, NodeResizer, Position, type NodeProps } from '@xyflow/react';
import { memo, useState, type CSSProperties } from 'react';
import { GROUP_COLORS, mark, setGroup, setNote } from '../document/annotate';
import { edit } from '../store/tabs';
import type { GroupFlowNode, NoteFlowNode, RerouteFlowNode } from './flow';

const idOf = (id: string): string => mark(id)?.id ?? '';

export const GroupNode = memo(function GroupNode({ id, data, selected }: NodeProps<GroupFlowNode>) {
  const { group } = data;
  const [editing, setEditing] = useState(false);
  const change = (label: string, next: Partial<typeof group>): void =>
    edit(label, (doc) => setGroup(doc, idOf(id), next), `group ${id}`);
  return (
    <div className={`group ${selected ? 'selected' : ''}`} style={{ '--tint': group.color } as CSSProperties}>
      <NodeResizer
        isVisible={selected}
        minWidth={120}
        minHeight={80}
        onResize={(_, { x, y, width, height }) => change('resize group', { x, y, width, height })}
      />
      <div className="group-title" onDoubleClick={() => setEditing(true)}>
        {editing ? (
          <input
            className="nodrag"
            aria-label="title of the group"
            defaultValue={group.title}
            autoFocus
            onBlur={(event) => {
              change('rename group', { title: event.target.value });
              setEditing(false);
            }}
            onKeyDown={(event) => {
              if (event.key === 'Enter' || event.key === 'Escape') event.currentTarget.blur();
              event.stopPropagation();
            }}
          />
        ) : (
          <span>{group.title || 'group'}</span>
        )}
        {selected && (
          <span className="swatches nodrag" role="group" aria-label="colour of the group">
            {GROUP_COLORS.map((color) => (
              <button
                key={color}
                type="button"
                aria-label={`colour ${color}`}
                aria-pressed={color === group.color}
                style={{ background: color }}
                onClick={() => change('colour group', { color })}
              />
            ))}
          </span>
        )}
      </div>
    </div>
  );
});

export const NoteNode = memo(function NoteNode({ id, data, selected }: NodeProps<NoteFlowNode>) {
  const { note } = data;
  return (
    <div className={`note ${selected ? 'selected' : ''}`}>
      <NodeResizer
        isVisible={selected}
        minWidth={100}
        minHeight={50}
        onResize={(_, { x, y, width, height }) =>
          edit('resize note', (doc) => setNote(doc, idOf(id), { x, y, width, height }), `note ${id}`)
        }
      />
      <div className="note-grip" aria-hidden="true" />
      <textarea
        className="nodrag nowheel"
        aria-label="text of the note"
        placeholder="A note"
        value={note.text}
        onChange={(event) =>
          edit('write note', (doc) => setNote(doc, idOf(id), { text: event.target.value }), `note ${id}`)
        }
      />
    </div>
  );
});

export const RerouteNode = memo(function RerouteNode({ data, selected }: NodeProps<RerouteFlowNode>) {
  return (
    <div className={`reroute ${selected ? 'selected' : ''}`} style={{ '--c': data.color } as CSSProperties}>
      <Handle id="in" type="target" position={Position.Left} aria-label="reroute, in" />
      <Handle id="out" type="source" position={Position.Right} aria-label="reroute, out" />
    </div>
  );
});
