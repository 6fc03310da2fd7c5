/** Chooses a model: what is embedded and on disk first, then the catalogue, with size, tasks and licence. */

import { useState } from 'react';
import type { ModelInfo } from '../connection/http';
import { search } from '../parts/fuzzy';
import { label, size } from '../parts/text';
import { Window } from '../parts/Window';
import { useCatalogue } from '../store/catalogue';
import { closeDialog } from '../store/ui';

interface Props {
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
}

const GROUPS: readonly (readonly [ModelInfo['group'], string])[] = [
  ['embedded', 'Embedded: small, ships with graphflow'],
  ['on disk', 'On this machine'],
  ['catalogue', 'Known: fetched from the hub when a node may download'],
];

export function ModelsDialog({ value, onChange }: Props) {
  const models = useCatalogue((state) => state.models);
  const [query, setQuery] = useState('');
  const found = search(query, models, (one) => [one.title, one.id, one.tasks.join(' '), one.about]);
  return (
    <Window title="Models" wide>
      <input
        data-first
        type="search"
        aria-label="search models"
        placeholder="name or task"
        value={query}
        onChange={(event) => setQuery(event.target.value)}
      />
      <div className="models">
        {GROUPS.map(([group, title]) => {
          const members = found.filter((one) => one.group === group);
          if (members.length === 0) return null;
          return (
            <section key={group} aria-label={title}>
              <h3>{title}</h3>
              {members.map((one) => (
                <button
                  key={one.id + one.title}
                  type="button"
                  aria-pressed={one.id === value}
                  onClick={() => {
                    closeDialog();
                    onChange(one.id);
                  }}
                >
                  <b>{one.title}</b>
                  <span>{one.bytes === undefined ? '' : size(one.bytes)}</span>
                  <span>{one.licence}</span>
                  <small>
                    {one.id !== one.title && <code>{one.id}</code>} {one.tasks.map(label).join(', ')}{' '}
                    {one.about}
                    {!one.runs && ' Not runnable here yet.'}
                  </small>
                </button>
              ))}
            </section>
          );
        })}
        {found.length === 0 && (
          <p className="empty">no such model; any name or folder may be typed into the setting</p>
        )}
      </div>
    </Window>
  );
}
