/** The menu of the right mouse button: commands that make sense on what was clicked. */

import { useEffect } from 'react';
import { splitWire } from '../document/reroute';
import { removeWires } from './changes';
import { wireOf } from './flow';
import { commandById, type Command } from '../commands';
import { Menu, type MenuItem } from '../parts/Menu';
import type { Point } from '../document/nodes';
import { activeTab, edit, select } from '../store/tabs';
import { useUi } from '../store/ui';

export interface MenuAt {
  readonly x: number;
  readonly y: number;
  readonly at: Point;
  readonly on: { readonly node?: string; readonly edge?: string };
}

const ON_NODES = [
  'run.here', '', 'edit.copy', 'edit.duplicate', 'edit.delete', '', 'node.bypass', 'node.mute', 'node.collapse', 'node.rename', 'node.form', 'node.connect',
  '', 'node.group', 'workflow.collapse', 'workflow.expand', 'workflow.enter', 'node.history', 'node.compare',
]; // prettier-ignore
const ON_PANE = ['edit.paste', 'edit.selectAll', '', 'add.note', 'node.group', '', 'view.layout', 'view.fit'];

function itemsOf(ids: readonly string[]): MenuItem[] {
  return ids
    .map((id): MenuItem | undefined => {
      if (id === '') return { separator: true };
      const command: Command | undefined = commandById(id);
      if (command === undefined || command.enabled?.() === false) return undefined;
      return { label: command.title, keys: command.keys, run: command.run };
    })
    .filter((item) => item !== undefined);
}

export function CanvasMenu({ menu, onClose }: { menu: MenuAt; onClose: () => void }) {
  const { node, edge } = menu.on;
  useEffect(() => {
    const tab = activeTab();
    if (node !== undefined && tab && !tab.selection.has(node)) select([node]);
    if (edge !== undefined) select([edge]);
  }, [node, edge]);
  const wire = edge === undefined ? undefined : wireOf(edge);
  const items: MenuItem[] =
    node !== undefined
      ? itemsOf(ON_NODES)
      : edge !== undefined
        ? [
            ...(wire
              ? [
                  {
                    label: 'Add a reroute',
                    run: () =>
                      edit('add reroute', (doc) =>
                        splitWire(doc, wire.node, wire.input, wire.index, menu.at),
                      ),
                  },
                ]
              : []),
            { label: 'Take the wire away', keys: 'Delete', run: () => removeWires([edge]) },
          ]
        : [
            {
              label: 'Add a node',
              keys: 'A',
              run: () => useUi.setState({ palette: { x: menu.x, y: menu.y, at: menu.at } }),
            },
            ...itemsOf(ON_PANE),
          ];
  return <Menu x={menu.x} y={menu.y} items={items} label="commands" onClose={onClose} />;
}
