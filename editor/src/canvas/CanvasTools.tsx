/** The small bar on the canvas: add, arrange, zoom, and the menu of what is chosen for those without a right mouse button. */

import { useStore } from '@xyflow/react';
import { perform } from '../commands';
import { Button } from '../parts/Button';
import { useActive } from '../store/tabs';
import { useUi } from '../store/ui';

const zoomOf = (state: { transform: [number, number, number] }): number =>
  Math.round(state.transform[2] * 100);

interface Props {
  /** Open the menu of what is chosen, at a place on the screen. */
  readonly onMenu: (x: number, y: number) => void;
}

export function CanvasTools({ onMenu }: Props) {
  const zoom = useStore(zoomOf);
  const inspector = useUi((state) => state.inspector);
  const chosen = useActive((tab) => tab.selection.size > 0, false);
  return (
    <div className="canvas-tools" role="toolbar" aria-label="canvas">
      <Button icon="plus" label="Add a node" keys="A" onClick={() => perform('add.node')}>
        Node
      </Button>
      <span className="bar" />
      <Button icon="note" label="Add a note" keys="N" onClick={() => perform('add.note')} />
      <Button icon="group" label="Frame in a group" keys="Ctrl+G" onClick={() => perform('node.group')} />
      <Button icon="layout" label="Arrange the graph" keys="L" onClick={() => perform('view.layout')} />
      <Button
        icon="menu"
        label="Commands for what is chosen"
        disabled={!chosen}
        onClick={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          onMenu(box.left, box.bottom + 6);
        }}
      />
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
      <span className="bar" />
      <Button
        icon="panel"
        label="Inspector"
        keys="I"
        pressed={inspector}
        onClick={() => perform('view.inspector')}
      />
    </div>
  );
}
