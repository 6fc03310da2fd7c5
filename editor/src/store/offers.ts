/** Which drafts may be taken up in this browser. Pure. */

import type { DraftInfo } from '../connection/messages';

/** Those of browsers that are gone, and of this one, as far as they are not open in one of its windows: what somebody is at work on is theirs. */
export function offeredOf(
  drafts: readonly DraftInfo[],
  open: ReadonlySet<string>,
  client: string,
): DraftInfo[] {
  return drafts.filter((one) => !open.has(one.draft) && (!one.live || one.client === client));
}
