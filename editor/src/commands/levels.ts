/** Looking into a node that is a workflow, in the same canvas, and coming back. */

import { template } from '../connection/http';
import { socket } from '../connection/socket';
import { autoLayoutIfBare } from '../canvas/layout';
import { own } from '../document/records';
import type { Workflow } from '../document/types';
import { isInner, isPath, nameOfInner } from '../schema/inner';
import { join } from '../store/session';
import { activate, activeTab, closeTab, isDirty, openTab, useTabs, type Tab } from '../store/tabs';
import { complain, say } from '../store/ui';
import { saveLevels } from './saving';

/** Look into a node of the open workflow. What comes with graphflow can only be looked at. */
export async function enter(node: string): Promise<void> {
  const around = activeTab();
  const type = own(around?.line.now.nodes, node)?.type ?? '';
  if (isPath(type))
    say(`${type} is a file beside the workflow's own file; here only kept workflows can be opened`, 'bad');
  if (around === undefined || !isInner(type) || !(await saveLevels())) return;
  try {
    await show(around, node, nameOfInner(type));
  } catch (error) {
    complain(error);
  }
}

async function show(around: Tab, node: string, name: string): Promise<void> {
  const known = useTabs.getState().tabs.find((one) => one.from === around.id && one.node === node);
  const same = known !== undefined && known.title === name && !known.stale;
  if (known !== undefined && !same) closeTab(known.id);
  const level = same ? known.id : await opened(around, node, name);
  activate(level);
  await join(level);
}

/** A kept workflow goes before a template of its name; inside of templates there are templates alone, as when it runs. */
async function opened(around: Tab, node: string, name: string): Promise<string> {
  const how = { title: name, from: around.id, node, activate: false };
  const kept = around.readOnly ? [] : (await socket.ask({ type: 'library' }, 'listed')).workflows;
  if (!kept.some((one) => one.name === name))
    return openTab(await autoLayoutIfBare(await template(name)), { ...how, readOnly: true });
  const told = await socket.ask({ type: 'open', name, version: null }, 'opened');
  const doc = await autoLayoutIfBare(told.document as unknown as Workflow);
  return openTab(doc, { ...how, saved: { name, version: told.workflow.version, doc } });
}

/** Go back up to a level or the root; what was changed on the way is saved first. */
export async function leaveTo(tab: string): Promise<void> {
  if (await saveLevels()) activate(tab);
}

/** One level up; nothing at a root. */
export function leave(): void {
  const from = activeTab()?.from;
  if (from !== undefined) void leaveTo(from);
}

/** Whether the open level has changes that its nodes' states do not tell of yet. */
export function isAhead(tab: Tab): boolean {
  return tab.from !== undefined && isDirty(tab);
}
