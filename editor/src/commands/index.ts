/** The one table of commands. Toolbar, palette, menus, cheat sheet and keyboard all read it. */

import { COMPARE } from './compare';
import { EDIT } from './edit';
import { FILES } from './files';
import { INNER } from './inner';
import { NODES } from './nodes';
import { RUN } from './run';
import type { Command } from './types';
import { VIEW } from './view';

export type { Command } from './types';

export const COMMANDS: readonly Command[] = [
  ...FILES,
  ...EDIT,
  ...NODES,
  ...INNER,
  ...COMPARE,
  ...RUN,
  ...VIEW,
];

export function commandById(id: string): Command | undefined {
  return COMMANDS.find((command) => command.id === id);
}

/** Do a command by its id, if it is possible now. */
export function perform(id: string): void {
  const command = commandById(id);
  if (command !== undefined && command.enabled?.() !== false) command.run();
}
