/** Find in the graph: by title, id, type or any setting's value. */

import { useState, type CSSProperties } from 'react';
import { goTo } from '../canvas/stage';
import { titleOf } from '../document/nodes';
import { search } from '../parts/fuzzy';
import { Icon } from '../parts/icons';
import { categoryColor } from '../schema/colors';
import { defOf } from '../store/catalogue';
import { select, useDoc } from '../store/tabs';

export function SearchPanel() {
  const doc = useDoc();
  const [query, setQuery] = useState('');
  const found = search(query, Object.entries(doc.nodes), ([id, entry]) => [
    titleOf(entry, defOf(entry.type)?.title ?? entry.type),
    id,
    entry.type,
    ...Object.values(entry.params ?? {}).map((value) => String(value)),
  ]);
  return (
    <>
      <label className="find">
        <Icon name="search" size={14} />
        <input
          autoFocus
          type="search"
          placeholder="title, type or setting"
          aria-label="find in the graph"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
      </label>
      <div className="scroll">
        {found.slice(0, 200).map(([id, entry]) => (
          <button
            key={id}
            type="button"
            className="tile dotted"
            style={{ '--tint': categoryColor(defOf(entry.type)?.category ?? '') } as CSSProperties}
            onClick={() => {
              select([id]);
              goTo(id);
            }}
          >
            <span>
              <span className="dot" aria-hidden="true" />{' '}
              {titleOf(entry, defOf(entry.type)?.title ?? entry.type)}
            </span>
            <small>
              {id} · {entry.type}
            </small>
          </button>
        ))}
        {found.length === 0 && (
          <p className="empty">{query ? 'nothing of that kind' : 'the graph is empty'}</p>
        )}
      </div>
    </>
  );
}
