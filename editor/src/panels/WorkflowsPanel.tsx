/** The workflows that the server keeps: open, rename, duplicate, delete, bring back. */

import { useCallback, useEffect, useState } from 'react';
import { openSaved, openTemplate } from '../commands/files';
import { nameProblem } from '../commands/saving';
import { socket } from '../connection/socket';
import type { Listed } from '../connection/messages';
import { Button } from '../parts/Button';
import { search } from '../parts/fuzzy';
import { Icon } from '../parts/icons';
import { Menu, type MenuItem } from '../parts/Menu';
import { ago, plural } from '../parts/text';
import { useCatalogue } from '../store/catalogue';
import { useSession } from '../store/session';
import { complain, openDialog, say } from '../store/ui';
import { useTabs } from '../store/tabs';

export function useLibrary(): Listed | undefined {
  const status = useSession((state) => state.status);
  const [listed, setListed] = useState<Listed>();
  const look = useCallback(() => {
    socket.ask({ type: 'library' }, 'listed').then(setListed, () => undefined);
  }, []);
  useEffect(() => {
    if (status === 'open') look();
    return socket.onMessage((message) => {
      if (message.type === 'workflow') look();
    });
  }, [status, look]);
  return listed;
}

const ask = (title: string, value: string, onAnswer: (text: string) => void): void =>
  openDialog('ask', { title, value, onAnswer, check: nameProblem });

function itemsOf(name: string): MenuItem[] {
  const rename = async (to: string): Promise<void> => {
    const { workflow } = await socket.ask({ type: 'rename', name, to: to.trim() }, 'saved');
    useTabs.setState((state) => ({
      tabs: state.tabs.map((tab) =>
        tab.saved?.name === name
          ? {
              ...tab,
              title: workflow.name,
              saved: { ...tab.saved, name: workflow.name, version: workflow.version },
            }
          : tab,
      ),
    }));
  };
  return [
    { label: 'Open', run: () => void openSaved(name) },
    { label: 'Rename ...', run: () => ask('New name', name, (to) => void rename(to).catch(complain)) },
    {
      label: 'Duplicate ...',
      run: () =>
        ask(
          'Name of the copy',
          `${name} copy`,
          (to) => void socket.ask({ type: 'duplicate', name, to: to.trim() }, 'saved').catch(complain),
        ),
    },
    { label: 'Versions ...', run: () => openDialog('versions', { name }) },
    { separator: true },
    {
      label: 'Put into the trash',
      run: () =>
        void socket
          .ask({ type: 'delete', name }, 'deleted')
          .then(() => say(`${name} is in the trash`), complain),
    },
  ];
}

export function WorkflowsPanel() {
  const listed = useLibrary();
  const templates = useCatalogue((state) => state.templates);
  const [query, setQuery] = useState('');
  const [menu, setMenu] = useState<{ x: number; y: number; name: string }>();
  const kept = search(query, listed?.workflows ?? [], (one) => [one.name, one.description]);
  return (
    <>
      <label className="find">
        <Icon name="search" size={14} />
        <input
          type="search"
          placeholder="search workflows"
          aria-label="search workflows"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
      </label>
      <div className="scroll">
        <section className="kind">
          <h3 className="plain">Kept here</h3>
          {kept.map((one) => (
            <div key={one.name} className="row">
              <button type="button" className="tile" onClick={() => void openSaved(one.name)}>
                <span>{one.name}</span>
                <small>
                  {plural(one.nodes, 'node')} · {ago(one.time)}
                </small>
              </button>
              <Button
                icon="menu"
                label={`more for ${one.name}`}
                onClick={(event) => setMenu({ x: event.clientX, y: event.clientY, name: one.name })}
              />
            </div>
          ))}
          {kept.length === 0 && (
            <p className="empty">
              {query ? 'none of that name' : 'nothing yet: Ctrl+S keeps the open workflow here'}
            </p>
          )}
        </section>
        <section className="kind">
          <h3 className="plain">Templates</h3>
          {search(query, templates, (one) => [one.name.replaceAll('_', ' '), one.description]).map((one) => (
            <button
              key={one.name}
              type="button"
              className="tile"
              title={one.description}
              onClick={() => void openTemplate(one.name)}
            >
              <span>{one.name.replaceAll('_', ' ')}</span>
              <small>{one.description}</small>
            </button>
          ))}
        </section>
        {(listed?.trash.length ?? 0) > 0 && (
          <section className="kind">
            <h3 className="plain">Trash</h3>
            {listed?.trash.map((one) => (
              <div key={one.id} className="row">
                <span className="tile">
                  <span>{one.name}</span>
                  <small>{ago(one.time)}</small>
                </span>
                <Button
                  icon="undo"
                  label={`bring ${one.name} back`}
                  onClick={() =>
                    void socket.ask({ type: 'restore', trash: one.id, name: null }, 'saved').catch(complain)
                  }
                />
              </div>
            ))}
          </section>
        )}
      </div>
      {menu && (
        <Menu
          x={menu.x}
          y={menu.y}
          label={`for ${menu.name}`}
          items={itemsOf(menu.name)}
          onClose={() => setMenu(undefined)}
        />
      )}
    </>
  );
}
