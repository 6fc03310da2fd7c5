/** Giving names. */

import { setUi } from '../document/nodes';
import { edit } from '../store/tabs';

/** Set a node's title; its type's own title is none. */
export function renameTitle(id: string, title: string, own: string): void {
  edit('rename', (doc) => setUi(doc, id, { title: title === '' || title === own ? undefined : title }));
}
