/** The palette that opens at the pointer: type a few letters, Enter adds the node. After a wire dropped into the void, only what fits. */

import {
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type CSSProperties,
  type KeyboardEvent,
} from 'react';
import { placeFromPalette, portFor } from '../commands/graph';
import { search } from '../parts/fuzzy';
import { categoryColor } from '../schema/colors';
import { firstLine, type Def } from '../schema/defs';
import { useCatalogue } from '../store/catalogue';
import { useUi, type PaletteRequest } from '../store/ui';

const SHOWN = 60;

export function NodePalette() {
  const request = useUi((state) => state.palette);
  return request ? <Open key={`${request.x} ${request.y}`} request={request} /> : null;
}

const close = (): void => {
  useUi.setState({ palette: undefined });
  document.querySelector<HTMLElement>('.react-flow')?.focus();
};

function Open({ request }: { request: PaletteRequest }) {
  const defs = useCatalogue((state) => state.catalogue.defs);
  const [query, setQuery] = useState('');
  const [place, setPlace] = useState(0);
  const list = useRef<HTMLUListElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState({ x: request.x, y: request.y });
  const wired = request.from !== undefined || request.into !== undefined;
  const fitting = useMemo(() => {
    const all = [...defs.values()];
    return wired ? all.filter((def) => portFor(def, request) !== undefined) : all;
  }, [defs, request, wired]);
  const found = useMemo(
    () =>
      search(query, fitting, (def) => [def.title, def.id.replaceAll('_', ' '), firstLine(def.doc)]).slice(
        0,
        SHOWN,
      ),
    [fitting, query],
  );
  useLayoutEffect(() => {
    const size = box.current?.getBoundingClientRect();
    if (size)
      setAt({
        x: Math.max(8, Math.min(request.x, innerWidth - size.width - 8)),
        y: Math.max(8, Math.min(request.y, innerHeight - size.height - 8)),
      });
  }, [request]);
  useEffect(() => {
    list.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' });
  }, [place, found]);
  useEffect(() => {
    const outside = (event: PointerEvent): void => {
      if (!box.current?.contains(event.target as Node)) close();
    };
    addEventListener('pointerdown', outside, true);
    return () => removeEventListener('pointerdown', outside, true);
  }, []);

  const choose = (def: Def | undefined): void => {
    if (def === undefined) return;
    useUi.setState({ palette: undefined });
    placeFromPalette(def.id, request);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const way = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (way !== 0 && found.length > 0) {
      event.preventDefault();
      setPlace((place + way + found.length) % found.length);
    }
    if (event.key === 'Enter') choose(found[place]);
    if (event.key === 'Escape') close();
    event.stopPropagation();
  };
  return (
    <div
      ref={box}
      className="palette"
      role="dialog"
      aria-label="add a node"
      style={{ left: at.x, top: at.y }}
      onKeyDown={onKeyDown}
    >
      <input
        autoFocus
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found[place] ? `palette-${place}` : undefined}
        aria-label="search nodes"
        placeholder={wired ? 'search what fits' : 'search nodes'}
        value={query}
        onChange={(event) => {
          setQuery(event.target.value);
          setPlace(0);
        }}
      />
      <ul ref={list} id="palette-list" role="listbox" aria-label="nodes">
        {found.map((def, index) => (
          <li
            key={def.id}
            id={`palette-${index}`}
            role="option"
            aria-selected={index === place}
            style={{ '--tint': categoryColor(def.category) } as CSSProperties}
            onPointerMove={() => setPlace(index)}
            onClick={() => choose(def)}
          >
            <span className="dot" aria-hidden="true" />
            <span className="name">{def.title}</span>
            <small>{def.category}</small>
            <span className="about">{firstLine(def.doc)}</span>
          </li>
        ))}
        {found.length === 0 && <li className="none">{wired ? 'no node takes this wire' : 'no such node'}</li>}
      </ul>
    </div>
  );
}
