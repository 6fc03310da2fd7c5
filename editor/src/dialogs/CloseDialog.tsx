/** Asks before something is lost: closing what was not saved, saving over what somebody else saved. */

import { openSaved } from '../commands/files';
import { overwrite, save, saveLevels } from '../commands/saving';
import { Button } from '../parts/Button';
import { Window } from '../parts/Window';
import { shownLevel } from '../store/levels';
import { activate, closeTab, isDirty, tabOf, useTabs } from '../store/tabs';
import { closeDialog } from '../store/ui';

export function CloseDialog({ tab }: { tab: string }) {
  const found = useTabs((state) => tabOf(state, tab));
  return (
    <Window title="Close without saving?">
      <p>The last changes of “{found?.title}” are not saved on the server.</p>
      <div className="answers">
        <Button
          label="Save first"
          tone="primary"
          onClick={() => {
            closeDialog();
            const { tabs } = useTabs.getState();
            if (found) activate(shownLevel(tabs, found));
            void saveLevels().then((saved) => {
              activate(tab);
              if (saved && found && isDirty(found)) save();
            });
          }}
        >
          Save first
        </Button>
        <Button
          label="Close without saving"
          tone="danger"
          onClick={() => {
            closeDialog();
            closeTab(tab);
          }}
        >
          Close without saving
        </Button>
        <Button label="Go on editing" onClick={closeDialog}>
          Go on editing
        </Button>
      </div>
    </Window>
  );
}

export function ConflictDialog({ tab, name }: { tab: string; name: string }) {
  const level = useTabs((state) => tabOf(state, tab)?.from !== undefined);
  return (
    <Window title="Somebody saved a newer version">
      <p>
        “{name}” was saved by somebody else since you opened it. All versions are kept, so nothing is lost
        either way.
      </p>
      <div className="answers">
        <Button
          label="Save mine over it"
          tone="primary"
          onClick={() => {
            closeDialog();
            void overwrite(tab, name);
          }}
        >
          Save mine over it
        </Button>
        {!level && (
          <Button
            label="Open theirs beside"
            onClick={() => {
              closeDialog();
              useTabs.setState((state) => ({
                tabs: state.tabs.map((one) =>
                  one.id === tab ? { ...one, saved: undefined, title: `${one.title} (mine)` } : one,
                ),
              }));
              void openSaved(name);
            }}
          >
            Open theirs beside
          </Button>
        )}
        <Button label="Go on editing" onClick={closeDialog}>
          Go on editing
        </Button>
      </div>
    </Window>
  );
}
