/** Where one is, inside workflows of workflows, the way back, and what becomes of changes made here. */

import { isAhead, leaveTo } from '../commands/levels';
import { askName } from '../commands/saving';
import { Button } from '../parts/Button';
import { chainOf } from '../store/levels';
import { useTabs } from '../store/tabs';

export function Breadcrumbs() {
  const tabs = useTabs((state) => state.tabs);
  const active = useTabs((state) => state.active);
  const path = chainOf(tabs, active);
  const here = path.at(-1);
  if (here === undefined || path.length < 2) return null;
  return (
    <div className="breadcrumbs">
      <nav aria-label="path of workflows">
        {path.map((tab) =>
          tab === here ? (
            <b key={tab.id} aria-current="page">
              {tab.title}
            </b>
          ) : (
            <button key={tab.id} type="button" onClick={() => void leaveTo(tab.id)}>
              {tab.title}
            </button>
          ),
        )}
      </nav>
      {here.readOnly && (
        <>
          <span>read-only: it comes with graphflow</span>
          <Button label="Duplicate to edit" tone="primary" onClick={() => askName(here)}>
            Duplicate to edit
          </Button>
        </>
      )}
      {isAhead(here) && <span role="status">changed: saved when you go back or run</span>}
    </div>
  );
}
