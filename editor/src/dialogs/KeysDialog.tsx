/** The cheat sheet, made from the table of commands. */

import { COMMANDS } from '../commands';
import { Window } from '../parts/Window';

const POINTER: readonly (readonly [string, string])[] = [
  ['Double-click the canvas', 'add a node'],
  ['Drag a wire into the void', 'add a node that fits'],
  ['Double-click a wire', 'add a reroute'],
  ['Shift and drag', 'choose with a frame'],
  ['Right button', 'commands for what is there'],
  ['Tab', 'from node to node along the wires; in each its inputs, outputs, settings, result'],
  ['Enter on a node', 'choose it; with Ctrl, more than one'],
  ['Arrow keys on a chosen node', 'move it; with Shift, further'],
  ['Enter on a port', 'wire it, or take a wire away'],
];

export function KeysDialog() {
  const groups = [...new Set(COMMANDS.map((one) => one.group))];
  return (
    <Window title="Keys" wide>
      <div className="keys">
        {groups.map((group) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl>
              {COMMANDS.filter((one) => one.group === group && one.keys).map((one) => (
                <div key={one.id}>
                  <dt>
                    <kbd>{one.keys}</kbd>
                  </dt>
                  <dd>{one.title}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
        <section>
          <h3>Pointer and focus</h3>
          <dl>
            {POINTER.map(([what, does]) => (
              <div key={what}>
                <dt>{what}</dt>
                <dd>{does}</dd>
              </div>
            ))}
          </dl>
        </section>
      </div>
    </Window>
  );
}
