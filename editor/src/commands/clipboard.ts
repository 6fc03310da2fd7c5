/** Copy, cut and paste by key, files included, as the browser tells of them: that works on pages that may not reach for the clipboard themselves. */

import { middle } from '../canvas/stage';
import { copyText, nothingToPaste, pasteText } from './edit';
import { openDropped } from './files';

/** Gives a function that stops it. */
export function hearClipboard(): () => void {
  const hear = (event: ClipboardEvent): void => {
    if (event.target instanceof HTMLElement && event.target.closest('input, textarea')) return;
    if (document.querySelector('[role=dialog]') !== null) return;
    if (event.type === 'paste') {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length > 0) void openDropped(files, middle());
      else if (!pasteText(event.clipboardData?.getData('text/plain') ?? '')) nothingToPaste();
      event.preventDefault();
      return;
    }
    const text = copyText(event.type === 'cut');
    if (text === '') return;
    event.clipboardData?.setData('text/plain', text);
    event.preventDefault();
  };
  const kinds = ['copy', 'cut', 'paste'] as const;
  for (const kind of kinds) addEventListener(kind, hear);
  return () => {
    for (const kind of kinds) removeEventListener(kind, hear);
  };
}
