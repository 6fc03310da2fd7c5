import { describe, expect, it } from 'vitest';
import type { NodeResult, ResultInfo, Shown } from '../../src/connection/messages';
import { choicesOf, partnerOf, picturesOf } from '../../src/results/sides';

const shown = (kind: Shown['kind'], more: Partial<Shown> = {}): Shown => ({
  type: 'T', kind, url: '/r', media_type: '', value: null, series: [], count: null, facts: {}, ...more,
}); // prettier-ignore
const info = (outputs: Record<string, Shown>): ResultInfo => ({ outputs }) as ResultInfo;
const made = (key: string, time: number, more: Partial<NodeResult> = {}): NodeResult => ({
  run: `run of ${key}`, time, key, item: '', seconds: 1, settings: {}, ...more,
}); // prettier-ignore

describe('what can be looked at in a result', () => {
  it('is pictures and clips, also saved ones, with their pace', () => {
    const found = picturesOf(
      info({
        clip: shown('video', { url: '/clip', facts: { fps: 8 } }),
        still: shown('file', { url: '/still', media_type: 'image/png' }),
        table: shown('table'),
        sound: shown('file', { media_type: 'audio/wav' }),
        none: shown('none', { url: '' }),
      }),
    );
    expect(found.map(({ label, kind, url }) => [label, kind, url])).toEqual([
      ['clip', 'video', '/clip'],
      ['still', 'image', '/still'],
    ]);
    expect(found[0]?.fps).toBe(8);
  });

  it('is every item of a list', () => {
    const found = picturesOf(info({ frames: shown('list', { count: 2, facts: { kind: 'image' } }) }));
    expect(found.map((one) => [one.label, one.url])).toEqual([
      ['frames 1', '/r?item=0'],
      ['frames 2', '/r?item=1'],
    ]);
    expect(picturesOf(info({ told: shown('list', { url: '', count: 2, facts: { kind: 'text' } }) }))).toEqual(
      [],
    );
  });
});

describe('the results of a node to choose from', () => {
  it('are those of now, then the earlier ones, each once', () => {
    const found = choicesOf({ '': 'b' }, [made('b', 940), made('a', 400)], 'b', 1_000);
    expect(found).toEqual([
      { key: 'b', label: 'now', run: 'run of b' },
      { key: 'a', label: '10 min ago', run: 'run of a' },
    ]);
  });

  it('tell items, and earlier ones of one minute apart', () => {
    const found = choicesOf({ 0: 'x', 1: 'y' }, [made('a', 990, { item: '1' }), made('b', 980, { item: '1' })], 'x', 1_000); // prettier-ignore
    expect(found.map((one) => one.label)).toEqual([
      'now, item 1',
      'now, item 2',
      'just now, item 2',
      'just now, item 2 (2)',
    ]);
  });

  it('hold the chosen one, whoever told of it', () => {
    expect(choicesOf({}, [], 'k').map((one) => one.key)).toEqual(['k']);
    expect(choicesOf({}, [], '')).toEqual([]);
  });
});

describe('what a result is compared with before anybody chose', () => {
  const side = { tab: 't', node: 'n', key: 'new' };
  const others = [
    { tab: 'elsewhere', node: 'm', key: 'far' },
    { tab: 't', node: 'n', key: 'new' },
    { tab: 't', node: 'm', key: 'near' },
  ];

  it('is the one before it', () => {
    const choices = choicesOf({ '': 'new' }, [made('new', 3), made('old', 2), made('older', 1)], 'new');
    expect(partnerOf(side, choices, others)).toEqual({ ...side, key: 'old' });
    expect(partnerOf({ ...side, key: 'older' }, choices, others)).toEqual({ ...side, key: 'new' });
  });

  it('is that of another node where there is only one, one of the same workflow first', () => {
    const choices = choicesOf({ '': 'new' }, [made('new', 3)], 'new');
    expect(partnerOf(side, choices, others)).toEqual(others[2]);
    expect(partnerOf(side, choices, others.slice(0, 1))).toEqual(others[0]);
    expect(partnerOf(side, choices, [])).toBeUndefined();
  });
});
