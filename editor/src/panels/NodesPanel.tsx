/** All nodes by category, to be dragged onto the canvas or clicked. */

import { useMemo, useState, type CSSProperties } from 'react';
import { placeNode } from '../commands/graph';
import { middle } from '../canvas/stage';
import { search } from '../parts/fuzzy';
import { Icon } from '../parts/icons';
import { bare } from '../parts/text';
import { categoryColor } from '../schema/colors';
import { firstLine, type Def } from '../schema/defs';
import { useCatalogue } from '../store/catalogue';
import { useTabs } from '../store/tabs';
import { newWorkflow } from '../commands/files';

export function NodesPanel() {
  const defs = useCatalogue((state) => state.catalogue.defs);
  const about = useCatalogue((state) => state.catalogue.about);
  const failures = useCatalogue((state) => state.catalogue.failures);
  const [query, setQuery] = useState('');
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const groups = useMemo(() => {
    const found = search(query, [...defs.values()], (def) => [
      def.title,
      def.id.replaceAll('_', ' '),
      firstLine(def.doc),
    ]);
    const by = new Map<string, Def[]>();
    for (const def of found) by.set(def.category, [...(by.get(def.category) ?? []), def]);
    return [...by];
  }, [defs, query]);
  const toggle = (name: string): void => {
    const next = new Set(open);
    if (!next.delete(name)) next.add(name);
    setOpen(next);
  };
  return (
    <>
      <label className="find">
        <Icon name="search" size={14} />
        <input
          type="search"
          placeholder="search nodes"
          aria-label="search nodes"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
      </label>
      <div className="scroll">
        {groups.map(([category, members]) => {
          const shown = query !== '' || open.has(category);
          return (
            <section
              key={category}
              className="kind"
              style={{ '--tint': categoryColor(category) } as CSSProperties}
            >
              <h3>
                <button type="button" aria-expanded={shown} onClick={() => toggle(category)}>
                  <Icon name={shown ? 'down' : 'right'} size={12} />
                  <span className="dot" aria-hidden="true" />
                  {category}
                  <small>{members.length}</small>
                </button>
              </h3>
              {about.get(category) && query === '' && (
                <p className="about" title={about.get(category)}>
                  {about.get(category)}
                </p>
              )}
              {shown && members.map((def) => <Tile key={def.id} def={def} />)}
            </section>
          );
        })}
        {failures.map((one) => (
          <p key={one.pack} className="failure">
            <Icon name="warn" size={13} /> {one.pack}: {one.reason}
          </p>
        ))}
      </div>
    </>
  );
}

function Tile({ def }: { def: Def }) {
  const add = (): void => {
    if (useTabs.getState().active === '') newWorkflow();
    placeNode(def.id, middle());
  };
  return (
    <button
      type="button"
      className="tile"
      draggable
      title={bare(def.doc)}
      onDragStart={(event) => {
        event.dataTransfer.setData('application/x-graphflow-node', def.id);
        event.dataTransfer.effectAllowed = 'copy';
      }}
      onClick={add}
    >
      <span>{def.title}</span>
      <small>{firstLine(def.doc)}</small>
    </button>
  );
}
