import { describe, expect, it } from 'vitest';
import { broughtBack, earlier } from '../../src/document/bring';
import type { Workflow } from '../../src/document/types';

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

  it('of a workflow with another one inside leaves that alone', () => {
    const doc = nodes({ make: { type: 'workflow:part', params: { seed: 7 } } });
    const then = nodes({
      'make-a': { type: 'm', params: { seed: 1 } },
      show: { type: 's', inputs: { picture: 'make-a.out' } },
    });
    expect(asked(then, doc)).toEqual({
      changes: [],
      rest: ['make is a workflow, which is not looked into'],
    });
  });
});
