/** A command: one thing that a person can do, from toolbar, palette, menu or keyboard alike. */

export interface Command {
  readonly id: string;
  readonly title: string;
  readonly group: 'Workflow' | 'Edit' | 'Nodes' | 'Run' | 'View' | 'Help';
  /** Such as `Ctrl+Shift+Z`; Ctrl is Command on a Mac. */
  readonly keys?: string;
  /** More keys that do the same. */
  readonly also?: readonly string[];
  /** Works while a text is typed. */
  readonly everywhere?: boolean;
  /** The browser itself brings it about, by an event of its own. */
  readonly native?: boolean;
  readonly enabled?: () => boolean;
  readonly run: () => void;
}
