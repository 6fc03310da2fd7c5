/** Which drafts may be taken up in this browser. Pure. */

import type { DraftInfo } from '../connection/messages';

/** Those of browsers that are gone, and of this one, as far as they are not open here: what somebody is at work on is theirs. */
export function offeredOf(
  drafts: readonly DraftInfo[],
  open: readonly { readonly id: string }[],
  client: string,
): DraftInfo[] {
  const here = new Set(open.map((tab) => tab.id));
  return drafts.filter((one) => !here.has(one.draft) && (!one.live || one.client === client));
}
