/** Without a pointer: from the first screen to a result, with Tab and keys alone. */

import assert from 'node:assert/strict';
import { documentOf, openDocument, press, serious, wires } from './lab.mjs';

/** Press Tab until what has the focus answers to a name; at most so often. */
async function tabTo(page, name, most = 250) {
  const seen = [];
  for (let count = 0; count < most; count++) {
    await page.keyboard.press('Tab');
    const found = await page.evaluate(() => {
      const one = document.activeElement;
      return one.getAttribute('aria-label') ?? one.textContent.slice(0, 60);
    });
    if (name.test(found)) return;
    seen.push(found);
  }
  throw new Error(`Tab does not lead to ${name}; it led to ${seen.join(' | ')}`);
}

export async function from_the_first_screen_to_a_video({ page, picture }) {
  await tabTo(page, /^text to video ?[A-Z]/);
  await press(page, 'Enter');
  await page.getByTestId('node-encode').waitFor();
  await page.waitForTimeout(400);
  await tabTo(page, /^prompt of encode$/);
  await page.keyboard.press('Control+a');
  await page.keyboard.type('a yellow ball moving down on a blue background');
  assert.match((await documentOf(page)).nodes.encode.params.prompt, /^a yellow ball/);
  await press(page, 'Control+Enter');
  await page.getByRole('button', { name: 'Cancel the run' }).waitFor();
  await page.getByTestId('node-decode').locator('video').waitFor({ timeout: 90_000 });
  await page.getByRole('button', { name: 'Cancel the run' }).waitFor({ state: 'detached', timeout: 90_000 });
  await tabTo(page, /^see the result of Decode large$/);
  const tools = page.getByTestId('node-decode').locator('.result-tools');
  await page.waitForFunction((one) => getComputedStyle(one).opacity === '1', await tools.elementHandle());
  await press(page, 'Enter');
  await page.getByRole('dialog').locator('video').waitFor();
  await picture('keyboard');
  await press(page, 'Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}

/** Named and placed so that neither the alphabet nor the document's order leads along the wires. */
const FLOW = {
  graphflow: 1,
  name: 'flow',
  nodes: {
    a_last: { type: 'media/save_video', inputs: { video: 'm_third' }, ui: { x: 0, y: 420 } },
    m_third: { type: 'media/reverse', inputs: { video: 'b_second' }, ui: { x: 340, y: 0 } },
    b_second: { type: 'media/change_fps', inputs: { video: 'z_first.video' }, ui: { x: 340, y: 420 } },
    z_first: { type: 'toyworld/clip', ui: { x: 0, y: 0 } },
  },
  outputs: { file: 'a_last' },
};
const AROUND = ['z_first', 'b_second', 'm_third', 'a_last'];

const focused = (page) =>
  page.evaluate(() => {
    const one = document.activeElement;
    return {
      node: one.closest('.react-flow__node')?.dataset.id ?? '',
      name: one.getAttribute('aria-label') ?? one.textContent.slice(0, 40),
      wire: one.closest('.react-flow__edge') !== null,
    };
  });

export async function tab_goes_along_the_wires({ page, picture }) {
  await openDocument(page, FLOW);
  await press(page, '1');
  await page.waitForTimeout(300);
  await page.getByRole('button', { name: 'Run', exact: true }).focus();
  const seen = [];
  for (let count = 0; count < 120; count++) {
    await page.keyboard.press('Tab');
    const { node, name, wire } = await focused(page);
    assert.ok(!wire, 'a wire is not on the way');
    if (node !== '' && seen.at(-1)?.node !== node) seen.push({ node, names: [] });
    if (node === '' && seen.length > 0) break;
    seen.at(-1)?.names.push(name);
  }
  assert.deepEqual(
    seen.map((one) => one.node),
    AROUND,
  );
  const { names } = seen[1];
  const place = (name) => names.findIndex((one) => name.test(one));
  assert.ok(place(/node b_second/) === 0, 'first the node itself');
  assert.ok(place(/^input video/) < place(/^output out/), 'then what goes in and out');
  assert.ok(place(/^output out/) < place(/^fps/), 'then what is set');
  await picture('keyboard_order');
}

export async function keys_go_from_node_to_node_and_from_part_to_part({ page }) {
  const far_away = { type: 'std/text', ui: { x: 9_000, y: 5_000 } };
  await openDocument(page, { ...FLOW, nodes: { ...FLOW.nodes, far_away } });
  await press(page, '1');
  for (const id of [...AROUND, 'far_away', AROUND[0]]) {
    await press(page, 'j');
    await page.waitForFunction(
      (one) => document.activeElement.closest('.react-flow__node')?.dataset.id === one,
      id,
    );
    assert.ok(await page.getByTestId(`node-${id}`).evaluate((one) => one.classList.contains('selected')));
  }
  await press(page, 'k');
  await page.waitForFunction(
    () => document.activeElement.closest('.react-flow__node')?.dataset.id === 'far_away',
  );
  const parts = [];
  for (let count = 0; count < 4; count++) {
    await press(page, 'F6');
    parts.push(
      await page.evaluate(() => document.activeElement.closest('.top, main, .inspector')?.className),
    );
  }
  assert.deepEqual(parts, ['inspector', 'top', 'stage', 'inspector']);
  await press(page, 'Shift+F6');
  assert.equal((await focused(page)).node, 'far_away', 'back on the node that is chosen');
}

export async function a_wire_is_taken_away_and_a_new_node_has_the_focus({ page }) {
  await openDocument(page, FLOW);
  assert.equal(await wires(page), 3);
  await page.getByTestId('port-b_second-in-video').focus();
  await press(page, 'Enter');
  const dialog = page.getByRole('dialog');
  assert.deepEqual(await serious(page), []);
  await dialog.getByRole('button', { name: /^take away the wire from z_first.video/ }).focus();
  await press(page, 'Enter');
  await dialog.waitFor({ state: 'detached' });
  assert.equal(await wires(page), 2);
  assert.equal((await documentOf(page)).nodes.b_second.inputs?.video, undefined);
  await press(page, 'a');
  await page.keyboard.type('contact sheet');
  await press(page, 'Enter');
  await page.waitForFunction(
    () => document.activeElement.closest('.react-flow__node')?.dataset.id === 'contact_sheet',
  );
  assert.deepEqual(await serious(page), []);
}
