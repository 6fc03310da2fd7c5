import { describe, expect, it } from 'vitest';
import { broughtBack, earlier } from '../../src/document/bring';
import type { Workflow } from '../../src/document/types';
import { given, levelOf, NOTHING_GIVEN } from '../../src/document/within';

const DOC: Workflow = {
  graphflow: 1,
  parameters: { words: { to: 'text.value', default: 'now' } },
  nodes: {
    text: { type: 't', params: { value: 'now' } },
    make: { type: 'm', params: { seed: 2, steps: 30 }, inputs: { words: 'text' } },
    show: { type: 's', inputs: { picture: 'make.out' } },
    beside: { type: 's', params: { size: 9 }, inputs: { picture: 'make' } },
  },
};

const asked = (then: Workflow, doc = DOC, now = doc) =>
  earlier({
    doc,
    now,
    then,
    node: 'show',
    initial: (_, name) => (name === 'steps' ? 30 : undefined),
    inner: (type) => type.startsWith('workflow:'),
    leads: () => [
      { name: 'seed', place: 'a.seed' },
      { name: 'speed', place: 'b/c.steps' },
      { name: 'wired', place: 'a.words' },
    ],
  });

const nodes = (more: Workflow['nodes']): Workflow => ({ ...DOC, nodes: { ...DOC.nodes, ...more } });

describe('an earlier result', () => {
  it('comes back with the settings of its node and of all before it', () => {
    const then = nodes({
      text: { type: 't', params: { value: 'then' } },
      make: { type: 'm', params: { seed: 1 }, inputs: { words: 'text.out' } },
      beside: { type: 's', params: { size: 1 }, inputs: { picture: 'make' } },
    });
    const { changes, rest } = asked(then);
    expect(changes).toEqual([
      { node: 'make', name: 'seed', value: 1 },
      { node: 'text', name: 'value', value: 'then' },
    ]);
    expect(rest).toEqual([]);
    const back = broughtBack(DOC, changes);
    expect(back.nodes.make?.params).toEqual({ seed: 1, steps: 30 });
    expect(back.parameters?.words?.default).toBe('then');
    expect(asked(then, back).changes).toEqual([]);
  });

  it('brings a default back, and a literal where a wire is now', () => {
    const doc = nodes({ make: { type: 'm', params: { steps: 5 }, inputs: { words: 'text', seed: 'text' } } });
    const { changes } = asked(DOC, doc);
    expect(changes).toEqual([
      { node: 'make', name: 'seed', value: 2 },
      { node: 'make', name: 'steps', value: 30 },
    ]);
    expect(broughtBack(doc, changes).nodes.make).toEqual({
      ...DOC.nodes.make,
      params: { steps: 30, seed: 2 },
    });
    const unset = nodes({ make: { type: 'm', params: { seed: 2 }, inputs: { words: 'text' } } });
    expect(asked(unset, doc).changes).toContainEqual({ node: 'make', name: 'steps', value: undefined });
  });

  it('says what settings do not bring back', () => {
    const then = nodes({
      text: { type: 'other' },
      make: { type: 'm', params: { seed: 2, steps: 30 }, inputs: { words: ['text', 'gone'] } },
      gone: { type: 't' },
    });
    expect(asked(then).rest).toEqual([
      'make was wired otherwise',
      'text was another kind of node',
      'gone is not there any more',
    ]);
    const off = { ...DOC, nodes: { show: { type: 's' } } };
    expect(asked(DOC, DOC, off).rest).toContain('make is switched off');
  });

  it('brings back what is set on a workflow used as a node, and leaves alone what is set inside', () => {
    const doc = nodes({ make: { type: 'workflow:part', params: { seed: 7 } } });
    const then = nodes({
      'make-a': { type: 'm', params: { seed: 1, size: 3 }, inputs: { words: 'make-b-c' } },
      'make-b-c': { type: 'm', params: { steps: 20 } },
      show: { type: 's', inputs: { picture: 'make-a.out' } },
    });
    const { changes, rest } = asked(then, doc);
    expect(changes).toEqual([
      { node: 'make', name: 'seed', value: 1 },
      { node: 'make', name: 'speed', value: 20 },
    ]);
    expect(rest).toEqual(['make is a workflow: what is set inside is not compared']);
    expect(asked(then, broughtBack(doc, changes)).changes).toEqual([]);
  });

  it('inside a workflow used as a node comes back with what stands before it there', () => {
    const level: Workflow = {
      graphflow: 1,
      parameters: { clip: { to: 'slow.clip' }, speed: { to: 'slow.fps' } },
      nodes: {
        slow: { type: 'm', params: { fps: 4, smooth: 2 } },
        show: { type: 's', params: { size: 9 }, inputs: { picture: 'slow' } },
      },
    };
    const around: Workflow = {
      graphflow: 1,
      nodes: { part: { type: 'workflow:p', params: { speed: 8 }, inputs: { clip: 'made' } } },
    };
    const ran = (fps: number): Workflow => ({
      graphflow: 1,
      nodes: {
        made: { type: 't' },
        'part-slow': { type: 'm', params: { fps, smooth: 1 }, inputs: { clip: 'made.out' } },
        'part-show': { type: 's', params: { size: 3 }, inputs: { picture: 'part-slow.out' } },
      },
    });
    const gives = given(around, 'part', level, NOTHING_GIVEN);
    expect([...gives]).toEqual([
      ['slow.clip', undefined],
      ['slow.fps', 8],
    ]);
    const inside = (fps: number, by = gives) =>
      earlier({
        doc: level,
        now: level,
        then: levelOf(ran(fps), 'part/'),
        node: 'show',
        initial: () => undefined,
        inner: () => false,
        leads: () => [],
        given: by,
      });
    const changes = [
      { node: 'show', name: 'size', value: 3 },
      { node: 'slow', name: 'smooth', value: 1 },
    ];
    expect(inside(8)).toEqual({ changes, rest: [] });
    expect(inside(6)).toEqual({ changes, rest: ['fps of slow is set in the workflow around this one'] });
    expect(inside(6, NOTHING_GIVEN)).toEqual({
      changes: [changes[0], { node: 'slow', name: 'fps', value: 6 }, changes[1]],
      rest: ['slow was wired otherwise'],
    });
  });
});
