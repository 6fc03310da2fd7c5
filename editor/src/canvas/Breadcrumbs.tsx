/** Where one is, inside workflows of workflows, and the way back. */

import { activate, tabOf, useTabs, type Tab } from '../store/tabs';

export function Breadcrumbs() {
  const tabs = useTabs((state) => state.tabs);
  const active = useTabs((state) => state.active);
  const path: Tab[] = [];
  for (let tab = tabOf({ tabs, active }); tab !== undefined && !path.includes(tab);) {
    path.unshift(tab);
    const from: string | undefined = tab.from;
    tab = from === undefined ? undefined : tabOf({ tabs, active: from });
  }
  if (path.length < 2) return null;
  return (
    <nav className="breadcrumbs" aria-label="path of workflows">
      {path.map((tab, place) =>
        place === path.length - 1 ? (
          <b key={tab.id} aria-current="page">
            {tab.title}
          </b>
        ) : (
          <button key={tab.id} type="button" onClick={() => activate(tab.id)}>
            {tab.title}
          </button>
        ),
      )}
    </nav>
  );
}
