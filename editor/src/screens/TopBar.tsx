/** Tabs, undo, the view, and the button that runs. */

import { closeTabAsked, newWorkflow } from '../commands/files';
import { perform } from '../commands';
import { useUnderWay } from '../canvas/state';
import { Button } from '../parts/Button';
import { family, rootOf, shownLevel } from '../store/levels';
import { activate, isDirty, useActive, useTabs } from '../store/tabs';
import { useUi } from '../store/ui';

export function TopBar() {
  const active = useTabs((state) => state.active);
  return (
    <header className="top">
      <button
        type="button"
        className="brand"
        aria-label="graphflow, first screen"
        title="First screen (Ctrl+Home)"
        onClick={() => activate('')}
        aria-current={active === ''}
      >
        <img src="/favicon.svg" alt="" width="22" height="22" />
        <span>graphflow</span>
      </button>
      <Tabs />
      {active !== '' && <RunTools />}
      <Button
        icon="command"
        label="All commands"
        keys="Ctrl+K"
        onClick={() => perform('help.commands')}
        size={17}
      />
      <ThemeButton />
    </header>
  );
}

function ThemeButton() {
  const theme = useUi((state) => state.theme);
  return (
    <Button
      icon={theme === 'dark' ? 'sun' : 'moon'}
      label={theme === 'dark' ? 'Light' : 'Dark'}
      onClick={() => perform('view.theme')}
      size={17}
    />
  );
}

function Tabs() {
  const tabs = useTabs((state) => state.tabs);
  const active = useTabs((state) => rootOf(state.tabs, state.active)?.id);
  return (
    <nav className="tabs" aria-label="open workflows">
      {tabs
        .filter((tab) => tab.from === undefined)
        .map((tab) => (
          <div key={tab.id} className={`tab ${tab.id === active ? 'active' : ''}`}>
            <button
              type="button"
              aria-current={tab.id === active ? 'page' : undefined}
              title={tab.stale ? 'a newer version was saved by somebody else' : tab.title}
              onClick={() => activate(shownLevel(tabs, tab))}
              onAuxClick={(event) => event.button === 1 && closeTabAsked(tab.id)}
            >
              <span>{tab.title.replaceAll('_', ' ')}</span>
              {family(tabs, tab.id).some(isDirty) && (
                <span className="unsaved" role="img" aria-label="not saved" title="not saved" />
              )}
              {tab.stale && <span className="stale-mark">newer</span>}
            </button>
            <Button
              icon="close"
              size={12}
              label={`close ${tab.title}`}
              onClick={() => closeTabAsked(tab.id)}
            />
          </div>
        ))}
      <Button icon="plus" label="New workflow" keys="Alt+N" onClick={newWorkflow} />
    </nav>
  );
}

function RunTools() {
  const mode = useActive((tab) => tab.mode, 'graph');
  const past = useActive((tab) => tab.line.past, []);
  const future = useActive((tab) => tab.line.future, []);
  const running = useUnderWay();
  const lastStep = past[past.length - 1]?.label;
  return (
    <div className="run-tools" role="toolbar" aria-label="workflow">
      <Button
        icon="undo"
        label={lastStep ? `Undo ${lastStep}` : 'Undo'}
        keys="Ctrl+Z"
        disabled={past.length === 0}
        onClick={() => perform('edit.undo')}
      />
      <Button
        icon="redo"
        label={future[0] ? `Redo ${future[0].label}` : 'Redo'}
        keys="Ctrl+Shift+Z"
        disabled={future.length === 0}
        onClick={() => perform('edit.redo')}
      />
      <Button icon="save" label="Save" keys="Ctrl+S" onClick={() => perform('file.save')} />
      <div className="segmented" role="group" aria-label="view">
        <button
          type="button"
          aria-pressed={mode === 'graph'}
          onClick={() => mode !== 'graph' && perform('view.app')}
        >
          Graph
        </button>
        <button
          type="button"
          aria-pressed={mode === 'app'}
          onClick={() => mode !== 'app' && perform('view.app')}
        >
          App
        </button>
      </div>
      {running && (
        <Button
          icon="stop"
          label="Cancel the run"
          keys="Ctrl+."
          tone="danger"
          onClick={() => perform('run.cancel')}
        >
          Cancel
        </Button>
      )}
      <Button icon="play" label="Run" keys="Ctrl+Enter" tone="primary" onClick={() => perform('run.all')}>
        Run
      </Button>
    </div>
  );
}
