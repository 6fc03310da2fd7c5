/** The panels at the left, and the rail that opens them. A new panel is one line here. */

import type { ComponentType } from 'react';
import { Button } from '../parts/Button';
import type { IconName } from '../parts/icons';
import { openDialog, togglePanel, useUi, type SidePanel } from '../store/ui';
import { NodesPanel } from './NodesPanel';
import { QueuePanel } from './QueuePanel';
import { SearchPanel } from './SearchPanel';
import { WorkflowsPanel } from './WorkflowsPanel';

interface Entry {
  readonly id: Exclude<SidePanel, ''>;
  readonly title: string;
  readonly icon: IconName;
  readonly keys?: string;
  readonly Panel: ComponentType;
}

const PANELS: readonly Entry[] = [
  { id: 'nodes', title: 'Nodes', icon: 'nodes', keys: 'P', Panel: NodesPanel },
  { id: 'workflows', title: 'Workflows', icon: 'folder', keys: 'W', Panel: WorkflowsPanel },
  { id: 'queue', title: 'Queue', icon: 'queue', keys: 'Q', Panel: QueuePanel },
  { id: 'search', title: 'Find', icon: 'search', keys: 'Ctrl+F', Panel: SearchPanel },
];

export function SidePanels() {
  const open = useUi((state) => state.panel);
  const entry = PANELS.find((one) => one.id === open);
  return (
    <>
      <nav className="rail" aria-label="panels">
        {PANELS.map((one) => (
          <Button
            key={one.id}
            icon={one.icon}
            label={one.title}
            keys={one.keys}
            pressed={one.id === open}
            onClick={() => togglePanel(one.id)}
            size={18}
          />
        ))}
        <span className="spring" />
        <Button icon="help" label="Keys" keys="?" onClick={() => openDialog('keys')} size={18} />
      </nav>
      {entry && (
        <aside className="side" aria-label={entry.title}>
          <h2>{entry.title}</h2>
          <entry.Panel />
        </aside>
      )}
    </>
  );
}
