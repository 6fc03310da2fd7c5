import { describe, expect, it } from 'vitest';
import { yielded } from '../../src/store/claims';
import { renamed, type Tab } from '../../src/store/tabs';

const claim = (since: string, ...ids: string[]) => ({ since, ids, ask: false });

describe('tabs that two windows have', () => {
  it('are named anew in the younger one alone', () => {
    const [old, young] = [claim('1', 'a', 'b'), claim('2', 'b', 'c')];
    expect(yielded(young, old)).toEqual(['b']);
    expect(yielded(old, young)).toEqual([]);
  });

  it('stay what they are for one another', () => {
    const tab = (id: string, more: object): Tab => ({ id, ...more }) as Tab;
    const state = { tabs: [tab('root', { at: 'level' }), tab('level', { from: 'root' })], active: 'level' };
    const ids = new Map([['root', 'x'], ['level', 'y']]); // prettier-ignore
    expect(renamed(state, ids)).toEqual({
      tabs: [
        { id: 'x', at: 'y' },
        { id: 'y', from: 'x' },
      ],
      active: 'y',
    });
  });
});
