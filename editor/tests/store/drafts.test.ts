import { beforeEach, describe, expect, it } from 'vitest';
import type { DraftInfo } from '../../src/connection/messages';
import type { Workflow } from '../../src/document/types';
import { offeredOf } from '../../src/store/offers';
import { activeTab, edit, isDirty, openTab, travel, updateTab, useTabs } from '../../src/store/tabs';

const DOC: Workflow = { graphflow: 1, name: 'w', nodes: { a: { type: 't' } } };
const draft = (draft: string, client: string, live: boolean): DraftInfo => ({
  draft, client, live, title: draft, name: '', version: '', time: 0, nodes: 1,
}); // prettier-ignore

const dirty = (): boolean => {
  const tab = activeTab();
  return tab !== undefined && isDirty(tab);
};
const rename = (name: string): void => edit('rename', (doc) => ({ ...doc, name }));

beforeEach(() => useTabs.setState({ tabs: [], active: '' }));

describe('drafts of the server', () => {
  it('are offered once their browser is gone', () => {
    const drafts = [draft('gone', 'other', false), draft('at work', 'third', true)];
    expect(offeredOf(drafts, new Set(), 'me').map((one) => one.draft)).toEqual(['gone']);
  });

  it('of this browser are offered unless they are open', () => {
    const drafts = [draft('open', 'me', true), draft('lost', 'me', true)];
    expect(offeredOf(drafts, new Set(['open']), 'me').map((one) => one.draft)).toEqual(['lost']);
  });
});

describe('a workflow is a draft', () => {
  it('when it was changed, and no more when that is undone', () => {
    openTab(DOC);
    expect(dirty()).toBe(false);
    rename('x');
    expect(dirty()).toBe(true);
    travel('undo');
    expect(dirty()).toBe(false);
  });

  it('when it was changed before this page knew it, until it is saved', () => {
    const id = openTab(DOC, { changed: true });
    expect(dirty()).toBe(true);
    updateTab(id, (tab) => ({ ...tab, saved: { name: 'w', version: 'v', doc: tab.line.now } }));
    expect(dirty()).toBe(false);
  });

  it('when it departs from the version that is kept', () => {
    openTab(DOC, { saved: { name: 'w', version: 'v', doc: DOC } });
    expect(dirty()).toBe(false);
    openTab({ ...DOC, name: 'mine' }, { saved: { name: 'w', version: 'v', doc: DOC }, changed: true });
    expect(dirty()).toBe(true);
    expect(activeTab()?.saved?.doc.name).toBe('w');
  });

  it('under a name of its own', () => {
    const ids = [openTab(DOC), openTab(DOC), openTab(DOC)];
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9-]{8,64}$/);
  });
});
