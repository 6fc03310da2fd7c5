/** The command palette: everything that can be done, and every node, by a few letters. */

import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { COMMANDS } from '../commands';
import { openSaved, openTemplate } from '../commands/files';
import { placeNode } from '../commands/graph';
import { middle } from '../canvas/stage';
import { search } from '../parts/fuzzy';
import { Window } from '../parts/Window';
import { useLibrary } from '../panels/WorkflowsPanel';
import { useCatalogue } from '../store/catalogue';
import { activeTab } from '../store/tabs';
import { closeDialog } from '../store/ui';

interface Choice {
  readonly key: string;
  readonly title: string;
  readonly group: string;
  readonly keys?: string;
  readonly run: () => void;
}

function useChoices(): Choice[] {
  const { catalogue, templates } = useCatalogue.getState();
  const library = useLibrary();
  return useMemo(() => {
    const commands = COMMANDS.filter((one) => one.enabled?.() !== false).map((one) => ({
      ...one,
      key: one.id,
    }));
    const add = activeTab() === undefined ? [] : [...catalogue.defs.values()];
    return [
      ...commands,
      ...templates.map((one) => ({
        key: `t ${one.name}`,
        title: one.name.replaceAll('_', ' '),
        group: 'Template',
        run: () => void openTemplate(one.name),
      })),
      ...(library?.workflows ?? []).map((one) => ({
        key: `w ${one.name}`,
        title: one.name,
        group: 'Open',
        run: () => void openSaved(one.name),
      })),
      ...add.map((def) => ({
        key: `n ${def.id}`,
        title: def.title,
        group: `Add · ${def.category}`,
        run: () => void placeNode(def.id, middle()),
      })),
    ];
  }, [catalogue, templates, library]);
}

export function CommandsDialog() {
  const choices = useChoices();
  const [query, setQuery] = useState('');
  const [place, setPlace] = useState(0);
  const list = useRef<HTMLUListElement>(null);
  const found = useMemo(
    () => search(query, choices, (one) => [one.title, one.group]).slice(0, 80),
    [choices, query],
  );
  useEffect(() => {
    list.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' });
  }, [place]);
  const choose = (choice: Choice | undefined): void => {
    if (choice === undefined) return;
    closeDialog();
    choice.run();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const way = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (way !== 0 && found.length > 0) {
      event.preventDefault();
      setPlace((place + way + found.length) % found.length);
    }
    if (event.key === 'Enter') {
      event.preventDefault();
      event.stopPropagation();
      choose(found[place]);
    }
  };
  return (
    <Window title="commands" bare>
      <div className="commands" onKeyDown={onKeyDown}>
        <input
          data-first
          role="combobox"
          aria-expanded="true"
          aria-controls="command-list"
          aria-activedescendant={found[place] ? `command-${place}` : undefined}
          aria-label="search commands"
          placeholder="What do you want to do?"
          value={query}
          onChange={(event) => {
            setQuery(event.target.value);
            setPlace(0);
          }}
        />
        <ul ref={list} id="command-list" role="listbox" aria-label="commands">
          {found.map((one, index) => (
            <li
              key={one.key}
              id={`command-${index}`}
              role="option"
              aria-selected={index === place}
              onPointerMove={() => setPlace(index)}
              onClick={() => choose(one)}
            >
              <span className="name">{one.title}</span>
              <small>{one.group}</small>
              {one.keys && <kbd>{one.keys}</kbd>}
            </li>
          ))}
        </ul>
      </div>
    </Window>
  );
}
