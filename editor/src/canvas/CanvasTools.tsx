/** The small bar on the canvas: add, arrange, zoom. */

import { useStore } from '@xyflow/react';
import { perform } from '../commands';
import { Button } from '../parts/Button';

const zoomOf = (state: { transform: [number, number, number] }): number =>
  Math.round(state.transform[2] * 100);

export function CanvasTools() {
  const zoom = useStore(zoomOf);
  return (
    <div className="canvas-tools" role="toolbar" aria-label="canvas">
      <Button icon="plus" label="Add a node" keys="A" onClick={() => perform('add.node')}>
        Node
      </Button>
      <span className="bar" />
      <Button icon="note" label="Add a note" keys="N" onClick={() => perform('add.note')} />
      <Button icon="group" label="Frame in a group" keys="Ctrl+G" onClick={() => perform('node.group')} />
      <Button icon="layout" label="Arrange the graph" keys="L" onClick={() => perform('view.layout')} />
      <span className="bar" />
      <Button icon="minus" label="Zoom out" keys="-" onClick={() => perform('view.out')} />
      <button
        type="button"
        className="zoom"
        aria-label={`zoom ${zoom} percent; to 100`}
        onClick={() => perform('view.one')}
      >
        {zoom}%
      </button>
      <Button icon="plus" label="Zoom in" keys="+" onClick={() => perform('view.in')} />
      <Button icon="fit" label="Show all" keys="F" onClick={() => perform('view.fit')} />
    </div>
  );
}
