/** Undo, clipboard, selection. */

import { removeMarks } from '../document/annotate';
import { copy, fromText, paste } from '../document/clipboard';
import { removeNodes } from '../document/nodes';
import { removeWires } from '../canvas/changes';
import { boxes, middle } from '../canvas/stage';
import { bounds } from '../document/arrange';
import type { Workflow } from '../document/types';
import { activeDoc, activeTab, edit, openTab, select, travel } from '../store/tabs';
import { complain, say } from '../store/ui';
import type { Command } from './types';

const chosen = (): ReadonlySet<string> => activeTab()?.selection ?? new Set();
const some = (): boolean => chosen().size > 0;
/** Nodes are chosen and no text: that is copied as everywhere else. */
const someNodes = (): boolean => some() && (getSelection()?.toString() ?? '') === '';

/** What was copied last; the system's clipboard may be closed to us. */
const clipboard: { last: string } = { last: '' };

/** What is chosen as text for the clipboard, taken out of the workflow if it is cut; empty if nothing is. */
export function copyText(cut = false): string {
  const piece = copy(activeDoc(), chosen());
  if (!someNodes()) return '';
  clipboard.last = JSON.stringify(piece, null, 2);
  if (cut) remove();
  return clipboard.last;
}

/** By the menu: a key says it in an event of its own, which a page by plain http hears too. */
function copySelection(cut = false): void {
  const text = copyText(cut);
  if (text !== '') void navigator.clipboard?.writeText(text).catch(() => undefined);
}

/** Put a piece into the open workflow, or open it where none is open. */
export function pastePiece(piece: Workflow, at?: { x: number; y: number }): void {
  if (activeTab() === undefined) {
    openTab(piece);
    return;
  }
  const places = Object.values(piece.nodes).map((entry) => ({
    x: Number(entry.ui?.x ?? 0),
    y: Number(entry.ui?.y ?? 0),
    width: 0,
    height: 0,
  }));
  const box = bounds(places);
  const there = at ?? middle();
  const shift = box
    ? { x: there.x - box.x - box.width / 2, y: there.y - box.y - box.height / 2 }
    : { x: 40, y: 40 };
  let ids: ReadonlySet<string> = new Set();
  edit('paste', (doc) => {
    const [next, made] = paste(doc, piece, Math.round(shift.x), Math.round(shift.y));
    ids = made;
    return next;
  });
  select(ids);
}

/** Paste a workflow in a text, or else what was copied last in this page. */
export function pasteText(text: string): boolean {
  const piece = fromText(text) ?? fromText(clipboard.last);
  if (piece === undefined) return false;
  pastePiece(piece);
  return true;
}

async function pasteClipboard(): Promise<void> {
  const text = await navigator.clipboard?.readText().catch(() => '');
  if (!pasteText(text || clipboard.last) && !pasteText(clipboard.last)) nothingToPaste();
}

export function nothingToPaste(): void {
  say('there is no workflow in the clipboard', 'info', 'copy nodes, or the whole text of a workflow’s file');
}

function duplicate(): void {
  const piece = copy(activeDoc(), chosen());
  let ids: ReadonlySet<string> = new Set();
  edit('duplicate', (doc) => {
    const [next, made] = paste(doc, piece, 32, 32);
    ids = made;
    return next;
  });
  select(ids);
}

function remove(): void {
  const ids = chosen();
  const wires = [...ids].filter((id) => id.startsWith('wire '));
  if (wires.length > 0) removeWires(wires);
  edit('delete', (doc) => removeMarks(removeNodes(doc, ids), ids));
}

export const EDIT: readonly Command[] = [
  {
    id: 'edit.undo',
    title: 'Undo',
    group: 'Edit',
    keys: 'Ctrl+Z',
    enabled: () => (activeTab()?.line.past.length ?? 0) > 0,
    run: () => travel('undo'),
  },
  {
    id: 'edit.redo',
    title: 'Redo',
    group: 'Edit',
    keys: 'Ctrl+Shift+Z',
    also: ['Ctrl+Y'],
    enabled: () => (activeTab()?.line.future.length ?? 0) > 0,
    run: () => travel('redo'),
  },
  {
    id: 'edit.copy',
    title: 'Copy',
    group: 'Edit',
    keys: 'Ctrl+C',
    enabled: someNodes,
    native: true,
    run: () => copySelection(),
  },
  {
    id: 'edit.cut',
    title: 'Cut',
    group: 'Edit',
    keys: 'Ctrl+X',
    enabled: someNodes,
    native: true,
    run: () => copySelection(true),
  },
  {
    id: 'edit.paste',
    title: 'Paste',
    group: 'Edit',
    keys: 'Ctrl+V',
    native: true,
    run: () => void pasteClipboard().catch(complain),
  },
  { id: 'edit.duplicate', title: 'Duplicate', group: 'Edit', keys: 'Ctrl+D', enabled: some, run: duplicate },
  {
    id: 'edit.delete',
    title: 'Delete',
    group: 'Edit',
    keys: 'Delete',
    also: ['Backspace'],
    enabled: some,
    run: remove,
  },
  {
    id: 'edit.selectAll',
    title: 'Select all',
    group: 'Edit',
    keys: 'Ctrl+A',
    enabled: () => activeTab() !== undefined,
    run: () => select(boxes().keys()),
  },
];
