/** From a key press to a command. */

import { COMMANDS, type Command } from '.';

/** How a key press is written in the table: `Ctrl+Shift+Z`, `F`, `Delete`. */
export function keyOf(event: KeyboardEvent): string {
  const key = event.key === ' ' ? 'Space' : event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const shifted = event.shiftKey && (event.key.length > 1 || /[A-Z]/i.test(event.key));
  return [
    event.ctrlKey || event.metaKey ? 'Ctrl' : '',
    event.altKey ? 'Alt' : '',
    shifted ? 'Shift' : '',
    key,
  ]
    .filter(Boolean)
    .join('+');
}

const BY_KEY: ReadonlyMap<string, Command> = new Map(
  COMMANDS.flatMap((command) =>
    [command.keys, ...(command.also ?? [])].flatMap((keys) => (keys ? [[keys, command] as const] : [])),
  ),
);

/** Whether a key press is meant for the control it goes to: where one types all are, elsewhere those without Ctrl. */
function forControl({ target, ctrlKey, metaKey }: KeyboardEvent): boolean {
  if (!(target instanceof HTMLElement)) return false;
  const control = target.closest('input, textarea, select, [contenteditable]');
  if (control === null) return false;
  const chosen = control.matches(
    'select, input:is([type=checkbox], [type=color], [type=file], [type=radio], [type=range])',
  );
  return !chosen || !(ctrlKey || metaKey);
}

/** Listen to the page's keys. Gives a function that stops it. */
export function listen(): () => void {
  const onKey = (event: KeyboardEvent): void => {
    const command = BY_KEY.get(keyOf(event));
    if (command === undefined || command.native || event.defaultPrevented) return;
    if (document.querySelector('[role=dialog], [role=menu]') !== null && !command.everywhere) return;
    const target = event.target;
    if (forControl(event) && !command.everywhere) return;
    if (
      event.key === 'Enter' &&
      target instanceof HTMLElement &&
      target.closest('button, a, [role=button]') &&
      !event.ctrlKey
    )
      return;
    if (command.enabled?.() === false) return;
    event.preventDefault();
    event.stopPropagation();
    command.run();
  };
  addEventListener('keydown', onKey, true); // before the canvas, which has keys of its own
  return () => removeEventListener('keydown', onKey, true);
}
