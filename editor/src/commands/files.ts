/** Opening, downloading, closing; files that are dropped. */

import { template, upload } from '../connection/http';
import { socket } from '../connection/socket';
import type { Point } from '../document/nodes';
import { EMPTY, type Workflow } from '../document/types';
import { autoLayoutIfBare } from '../canvas/layout';
import { useCatalogue } from '../store/catalogue';
import { family, rootOf } from '../store/levels';
import { runnable } from '../store/session';
import { activate, activeTab, closeTab, isDirty, openTab, useTabs, type Tab } from '../store/tabs';
import { complain, openDialog, say, useUi } from '../store/ui';
import { placeNode } from './graph';
import { askName, save } from './saving';
import { setParam } from '../document/nodes';
import { edit } from '../store/tabs';
import type { Command } from './types';

const open = (): boolean => activeTab() !== undefined;
/** What is switched off can be taken out only when the nodes are known. */
const ready = (): boolean => open() && useCatalogue.getState().ready;

/** Open a template as a new, unsaved workflow. */
export async function openTemplate(name: string, mode: Tab['mode'] = 'graph'): Promise<void> {
  try {
    const doc = await template(name);
    openTab(await autoLayoutIfBare(doc), { title: name, mode });
  } catch (error) {
    complain(error);
  }
}

/** Open a workflow that the server keeps; one that is open already is shown. */
export async function openSaved(name: string, version?: string): Promise<void> {
  const there = useTabs.getState().tabs.find((tab) => tab.saved?.name === name && tab.from === undefined);
  if (there !== undefined && version === undefined) {
    activate(there.id);
    return;
  }
  try {
    const told = await socket.ask({ type: 'open', name, version: version ?? null }, 'opened');
    const doc = await autoLayoutIfBare(told.document as unknown as Workflow);
    if (version === undefined)
      openTab(doc, { title: name, saved: { name, version: told.workflow.version, doc } });
    else openTab(doc, { title: `${name} (older)` });
  } catch (error) {
    complain(error);
  }
}

/** Open a document that came from somewhere else, such as a file or a run; gives the tab. */
export async function openDocument(doc: Workflow, title: string): Promise<string> {
  return openTab(await autoLayoutIfBare(doc), { title });
}

export function newWorkflow(): void {
  openTab({ ...EMPTY }, { title: 'untitled' });
}

function download(): void {
  const tab = activeTab();
  if (tab === undefined) return;
  const text = JSON.stringify(runnable(tab.line.now), null, 2);
  const url = URL.createObjectURL(new Blob([`${text}\n`], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `${(tab.saved?.name ?? tab.title).replace(/[^\w.-]+/g, '_')}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function close(): void {
  const { tabs, active } = useTabs.getState();
  const root = rootOf(tabs, active);
  if (root !== undefined) closeTabAsked(root.id);
}

/** Close a tab with its levels; asks first if one of them holds what no file holds. */
export function closeTabAsked(id: string): void {
  if (family(useTabs.getState().tabs, id).some(isDirty)) openDialog('close', { tab: id });
  else closeTab(id);
}

function pickFile(): void {
  const input = document.createElement('input');
  input.type = 'file';
  input.multiple = true;
  input.onchange = () => void openDropped([...(input.files ?? [])]);
  input.click();
}

const LOADERS: Readonly<Record<string, string>> = {
  image: 'media/load_image',
  video: 'media/load_video',
  audio: 'media/load_audio',
};

/**
 * Files that were dropped: one that a workflow made opens that workflow; other media become a node that loads them, where
 * they were dropped.
 */
export async function openDropped(files: readonly File[], at?: Point): Promise<void> {
  for (const [index, file] of files.entries()) {
    let sent = false;
    try {
      const asset = await upload(file);
      sent = true;
      const told = await socket.ask({ type: 'inspect', asset: asset.asset }, 'inspected');
      if (told.document !== null) {
        await openDocument(told.document as unknown as Workflow, file.name.replace(/\.\w+$/, ''));
        say(`opened the workflow that made ${file.name}`, 'good');
        continue;
      }
      const loader = LOADERS[asset.media_type.split('/')[0] ?? ''];
      if (loader === undefined || activeTab() === undefined) {
        say(
          `${file.name} carries no workflow`,
          'bad',
          activeTab()
            ? 'a picture, video or sound becomes a node that loads it; a file that graphflow made opens its workflow'
            : 'open a workflow first to use it as an input',
        );
        continue;
      }
      const id = placeNode(loader, at ? { x: at.x + index * 30, y: at.y + index * 30 } : { x: 0, y: 0 });
      edit('load a file', (doc) => setParam(doc, id, 'path', `asset:${asset.asset}`));
    } catch (error) {
      complain(error, sent ? file.name : '');
    }
  }
}

export const FILES: readonly Command[] = [
  {
    id: 'file.new',
    title: 'New workflow',
    group: 'Workflow',
    keys: 'Alt+N',
    everywhere: true,
    run: newWorkflow,
  },
  {
    id: 'file.open',
    title: 'Open a file ...',
    group: 'Workflow',
    keys: 'Ctrl+O',
    everywhere: true,
    run: pickFile,
  },
  {
    id: 'file.save',
    title: 'Save',
    group: 'Workflow',
    keys: 'Ctrl+S',
    everywhere: true,
    enabled: ready,
    run: save,
  },
  {
    id: 'file.saveAs',
    title: 'Save under another name ...',
    group: 'Workflow',
    keys: 'Ctrl+Shift+S',
    everywhere: true,
    enabled: ready,
    run: () => {
      const tab = activeTab();
      if (tab) askName(tab);
    },
  },
  { id: 'file.download', title: 'Download as JSON', group: 'Workflow', enabled: ready, run: download },
  {
    id: 'file.close',
    title: 'Close the tab',
    group: 'Workflow',
    keys: 'Alt+W',
    everywhere: true,
    enabled: open,
    run: close,
  },
  {
    id: 'file.library',
    title: 'Show kept workflows',
    group: 'Workflow',
    run: () => useUi.setState({ panel: 'workflows' }),
  },
];
