/** Keeping workflows on the server; levels are saved when one leaves them or runs. */

import { Refusal, socket } from '../connection/socket';
import { withNode } from '../document/wires';
import { typeOfInner } from '../schema/inner';
import { forgetInner } from '../store/catalogue';
import { chainOf } from '../store/levels';
import { runnable } from '../store/session';
import { activeTab, edit, isDirty, tabOf, updateTab, useTabs, type Tab } from '../store/tabs';
import { complain, openDialog, say } from '../store/ui';

/** Save a tab under a name; says whether that was done. */
async function saveAs(tab: Tab, name: string, seen: string | null): Promise<boolean> {
  const doc = tab.line.now;
  try {
    const { workflow: info } = await socket.ask(
      { type: 'save', name, document: runnable(doc) as unknown as Record<string, unknown>, seen },
      'saved',
    );
    updateTab(tab.id, (one) => ({
      ...one,
      title: info.name,
      stale: false,
      readOnly: false,
      saved: { name: info.name, version: info.version, doc },
    }));
    forgetInner(info.name, doc);
    say(`saved as ${info.name}`, 'good');
    return true;
  } catch (error) {
    if (error instanceof Refusal && error.code === 'workflow.conflict')
      openDialog('conflict', { tab: tab.id, name });
    else complain(error);
    return false;
  }
}

/** Save the open workflow; asks for a name if it has none. */
export function save(): void {
  const tab = activeTab();
  if (tab === undefined) return;
  if (tab.saved) void saveAs(tab, tab.saved.name, tab.saved.version);
  else askName(tab);
}

export function askName(tab: Tab): void {
  const level = tab.from !== undefined;
  openDialog('ask', {
    title: level ? 'Name of the copy' : 'Save the workflow as',
    check: level ? innerNameProblem : nameProblem,
    value: level ? `${tab.title}_copy` : (tab.saved?.name ?? tab.title),
    onAnswer: (name: string) =>
      void (level ? duplicate(tab, innerName(name)) : saveAs(tab, name.trim(), null)),
  });
}

/** What is wrong with the name of a workflow; empty if nothing. The server may know more. */
export function nameProblem(name: string): string {
  return /^[^./][^/]{0,99}$/.test(name) ? '' : 'a workflow’s name has no / and does not begin with a dot';
}

/** The name that somebody means who writes words. */
export function innerName(text: string): string {
  return text.trim().replace(/\s+/g, '_');
}

/** What is wrong with the name of a workflow that is used as a node; empty if nothing. */
export function innerNameProblem(text: string): string {
  return /^[A-Za-z0-9_-]{1,60}$/.test(innerName(text))
    ? ''
    : 'a workflow that is used as a node has a name of letters, digits, _ and -';
}

/** Keep a level under a name of its own; the node that one looks into becomes that workflow. */
async function duplicate(tab: Tab, name: string): Promise<void> {
  const around = tabOf(useTabs.getState(), tab.from);
  const problem = around?.readOnly
    ? `${around.title} comes with graphflow: duplicate it first`
    : innerNameProblem(name);
  if (problem !== '') {
    say(problem, 'bad');
    return;
  }
  if (!(await saveAs(tab, name, null))) return;
  const { node = '', from } = tab;
  edit(
    'duplicate a workflow',
    (doc) => withNode(doc, node, (one) => ({ ...one, type: typeOfInner(name) })),
    '',
    from,
  );
}

/** Save the levels on the way to the open one, as far as they were changed; says whether all are saved. */
export async function saveLevels(): Promise<boolean> {
  const { tabs, active } = useTabs.getState();
  for (const level of chainOf(tabs, active).slice(1).reverse()) {
    if (level.saved && isDirty(level) && !(await saveAs(level, level.saved.name, level.saved.version)))
      return false;
  }
  return true;
}

/** Save over what another client saved meanwhile. */
export async function overwrite(id: string, name: string): Promise<void> {
  const tab = useTabs.getState().tabs.find((one) => one.id === id);
  if (tab === undefined) return;
  try {
    const told = await socket.ask({ type: 'open', name, version: null }, 'opened');
    await saveAs(tab, name, told.workflow.version);
  } catch (error) {
    complain(error);
  }
}
