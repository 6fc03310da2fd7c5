/** What is open on the screen: theme, panels, dialogs, messages. Nothing of it belongs to a workflow. */

import { create } from 'zustand';

export type Theme = 'dark' | 'light';
export type SidePanel = 'nodes' | 'workflows' | 'queue' | 'search' | '';

export interface Toast {
  readonly id: number;
  readonly tone: 'info' | 'good' | 'bad';
  readonly text: string;
  readonly hint?: string;
}

export interface PaletteRequest {
  /** Where on the screen, and on the canvas. */
  readonly x: number;
  readonly y: number;
  readonly at: { readonly x: number; readonly y: number };
  /** A wire that was dropped into the void: from this output, or into this input. */
  readonly from?: string;
  readonly into?: { readonly node: string; readonly input: string };
}

export interface Dialog {
  readonly name: string;
  readonly props?: unknown;
}

interface State {
  theme: Theme;
  panel: SidePanel;
  inspector: boolean;
  problems: boolean;
  minimap: boolean;
  snap: boolean;
  toasts: readonly Toast[];
  palette: PaletteRequest | undefined;
  dialog: Dialog | undefined;
}

function stored(): Partial<State> {
  try {
    const raw: unknown = JSON.parse(localStorage.getItem('graphflow.ui') ?? '{}');
    return typeof raw === 'object' && raw !== null ? raw : {};
  } catch {
    return {};
  }
}

const before = stored();

export const useUi = create<State>(() => ({
  theme: before.theme ?? 'dark', // colours of pictures are judged on dark
  panel: before.panel ?? '',
  inspector: before.inspector ?? globalThis.innerWidth > 1_000,
  problems: false,
  minimap: before.minimap ?? true,
  snap: before.snap ?? false,
  toasts: [],
  palette: undefined,
  dialog: undefined,
}));

useUi.subscribe(({ theme, panel, inspector, minimap, snap }) => {
  try {
    localStorage.setItem('graphflow.ui', JSON.stringify({ theme, panel, inspector, minimap, snap }));
  } catch {
    // storage is full or forbidden: the screen is as it is until the page is closed
  }
});

let toasts = 0;

/** Say something in a corner for a while, once at a time. */
export function say(text: string, tone: Toast['tone'] = 'info', hint?: string): void {
  const last = useUi.getState().toasts.at(-1);
  if (last?.text === text && last.tone === 'info') return;
  const toast: Toast = { id: ++toasts, tone, text, ...(hint ? { hint } : {}) };
  useUi.setState((state) => ({ toasts: [...state.toasts.slice(-3), toast] }));
  setTimeout(() => hush(toast.id), tone === 'bad' ? 12_000 : 4_500);
}

export function hush(id: number): void {
  useUi.setState((state) => ({ toasts: state.toasts.filter((toast) => toast.id !== id) }));
}

interface Told {
  readonly message?: string;
  readonly hint?: string;
}

/** Say what went wrong; of several problems the first. about: what it is about, if the text does not say that. */
export function complain(error: unknown, about = ''): void {
  const told = error as Told & { problems?: readonly Told[] };
  const known = told.problems?.[0] ?? told;
  const more = (told.problems?.length ?? 0) - 1;
  const text = `${about}${about && ': '}${known.message ?? String(error)}${more > 0 ? ` (and ${more} more)` : ''}`;
  say(text, 'bad', known.hint);
}

export function openDialog(name: string, props?: unknown): void {
  useUi.setState({ dialog: { name, props } });
}

export function closeDialog(): void {
  useUi.setState({ dialog: undefined });
}

export function togglePanel(panel: SidePanel): void {
  useUi.setState((state) => ({ panel: state.panel === panel ? '' : panel }));
}
