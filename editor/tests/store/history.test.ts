import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EMPTY, type Workflow } from '../../src/document/types';
import { begin, redo, step, undo, type Timeline } from '../../src/store/history';
import { action } from '../document/actions';

describe('undo and redo', () => {
  it('come back to every document in turn, over mixed edits', () => {
    fc.assert(
      fc.property(fc.array(action, { minLength: 1, maxLength: 50 }), (actions) => {
        let line: Timeline<Workflow> = begin(EMPTY);
        const seen: Workflow[] = [EMPTY];
        for (const change of actions) {
          const next = change(line.now);
          line = step(line, next, 'edit');
          if (next !== seen[seen.length - 1]) seen.push(next);
        }
        for (const doc of [...seen].reverse().slice(1)) {
          line = undo(line);
          expect(line.now).toBe(doc);
        }
        expect(undo(line)).toBe(line);
        for (const doc of seen.slice(1)) {
          line = redo(line);
          expect(line.now).toBe(doc);
        }
        expect(redo(line)).toBe(line);
      }),
      { numRuns: 200 },
    );
  });

  it('agree with a plain list of snapshots, whatever the order of edits, undos and redos', () => {
    const command = fc.oneof(fc.constant('undo' as const), fc.constant('redo' as const), fc.nat(1000));
    fc.assert(
      fc.property(fc.array(command, { maxLength: 100 }), (commands) => {
        let line = begin(-1);
        let [model, at] = [[-1], 0];
        for (const one of commands) {
          if (one === 'undo') [line, at] = [undo(line), Math.max(0, at - 1)];
          else if (one === 'redo') [line, at] = [redo(line), Math.min(model.length - 1, at + 1)];
          else if (one !== line.now)
            [line, model, at] = [step(line, one, ''), [...model.slice(0, at + 1), one], at + 1];
          expect(line.now).toBe(model[at]);
        }
      }),
    );
  });

  it('take quick changes of the same kind as one step', () => {
    let line = begin(0);
    line = step(line, 1, 'type', 'text a', 1_000);
    line = step(line, 2, 'type', 'text a', 1_500);
    line = step(line, 3, 'type', 'text b', 1_600);
    line = step(line, 4, 'type', 'text b', 9_000);
    expect([undo(line).now, undo(undo(line)).now, undo(undo(undo(line))).now]).toEqual([3, 2, 0]);
  });

  it('keep the last two hundred steps', () => {
    let line = begin(0);
    for (let value = 1; value <= 500; value++) line = step(line, value, '');
    expect(line.past.length).toBe(200);
  });
});
