/** Drawing a graph: wires, palette, undo, clipboard, groups, switching off. */

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { documentOf, drag, drop, openDocument, port, press, wires } from './lab.mjs';

const node = (type, x, y, more = {}) => ({ type, ui: { x, y }, ...more });

/** Loads, changes and saves; nothing is wired. */
const LOOSE = {
  graphflow: 1,
  name: 'loose',
  nodes: {
    video: node('media/load_video', 0, 0),
    image: node('media/load_image', 0, 330),
    slow: node('media/change_fps', 400, 0, { params: { fps: 4 } }),
    save: node('media/save_video', 800, 0),
    sheet: node('media/contact_sheet', 400, 300),
  },
};
const WIRED = {
  ...LOOSE,
  nodes: {
    ...LOOSE.nodes,
    slow: { ...LOOSE.nodes.slow, inputs: { video: 'video' } },
    save: { ...LOOSE.nodes.save, inputs: { video: 'slow' } },
  },
  outputs: { file: 'save' },
};

export async function wires_are_drawn_and_judged({ page, picture }) {
  await openDocument(page, LOOSE);
  await drop(page, port(page, 'video', 'out', 'out'), port(page, 'slow', 'in', 'video'));
  assert.equal(await wires(page), 1, 'a wire that fits');
  await drag(page, port(page, 'image', 'out', 'out'), port(page, 'save', 'in', 'audio'));
  assert.match(await page.locator('.reason').innerText(), /Image does not fit; Audio is wanted/);
  await picture('refused');
  await page.mouse.up();
  assert.equal(await wires(page), 1, 'a wire that does not fit');
  await drop(page, port(page, 'slow', 'out', 'out'), port(page, 'save', 'in', 'video'));
  await drop(page, port(page, 'video', 'out', 'out'), port(page, 'save', 'in', 'video'));
  assert.equal(
    (await documentOf(page)).nodes.save.inputs.video,
    'video',
    'an occupied input takes the new wire',
  );
  assert.equal(await wires(page), 2);
  await drop(page, port(page, 'save', 'out', 'out'), port(page, 'slow', 'in', 'fps'));
  assert.equal(await wires(page), 2, 'a file is no number');
}

export async function a_list_port_collects({ page }) {
  await openDocument(page, LOOSE);
  await drop(page, port(page, 'video', 'out', 'out'), port(page, 'sheet', 'in', 'items'));
  await drop(page, port(page, 'slow', 'out', 'out'), port(page, 'sheet', 'in', 'items'));
  const found = (await documentOf(page)).nodes.sheet.inputs.items;
  assert.ok(found === 'slow' || (Array.isArray(found) && found.length === 2), JSON.stringify(found));
}

export async function a_clear_converter_is_put_between({ page }) {
  await openDocument(page, {
    ...LOOSE,
    nodes: { video: LOOSE.nodes.video, still: node('media/save_image', 500, 0) },
  });
  await drop(page, port(page, 'video', 'out', 'out'), port(page, 'still', 'in', 'image'));
  const { nodes } = await documentOf(page);
  assert.equal(nodes.still.inputs.image, 'pick_frame');
  assert.equal(nodes.pick_frame.inputs.video, 'video');
}

export async function a_wire_into_the_void_offers_what_fits({ page, picture }) {
  await openDocument(page, LOOSE);
  await drop(page, port(page, 'video', 'out', 'out'), { x: 640, y: 720 });
  const palette = page.getByRole('dialog', { name: 'add a node' });
  await palette.waitFor();
  const all = await palette.getByRole('option').allInnerTexts();
  assert.ok(all.length > 3 && !all.some((one) => /Load model/.test(one)), 'only nodes that take a video');
  await palette.getByRole('combobox').fill('save vid');
  await picture('palette');
  await press(page, 'Enter');
  const doc = await documentOf(page);
  assert.equal(Object.keys(doc.nodes).length, 6);
  assert.equal(doc.nodes.save_video.inputs.video, 'video');
}

export async function the_palette_finds_by_a_few_letters({ page }) {
  await page.getByRole('button', { name: 'New workflow' }).first().click();
  await press(page, 'a');
  await page.keyboard.type('loavid');
  await press(page, 'Enter');
  assert.deepEqual(Object.keys((await documentOf(page)).nodes), ['load_video']);
}

export async function undo_brings_everything_back({ page }) {
  await openDocument(page, WIRED);
  const before = await documentOf(page);
  await page.getByTestId('node-slow').locator('.node-header').click();
  for (const keys of ['b', 'm', 'm', 'Control+d', 'Control+g', 'x', 'ArrowRight', 'Delete', 'n'])
    await press(page, keys);
  await page.locator('.react-flow__pane').click({ position: { x: 700, y: 700 } });
  await press(page, 'Control+a');
  await press(page, 'Control+c');
  await press(page, 'Delete');
  assert.equal(await page.locator('.react-flow__node').count(), 0);
  const steps = [];
  const button = page.getByRole('button', { name: /^Undo/ });
  for (let count = 0; count < 40 && (await button.isEnabled()); count++) {
    steps.push(JSON.stringify((await documentOf(page)).nodes));
    await press(page, 'Control+z');
  }
  assert.deepEqual(await documentOf(page), before, 'back at the beginning');
  for (let count = 0; count < steps.length; count++) await press(page, 'Control+Shift+z');
  assert.equal(JSON.stringify((await documentOf(page)).nodes), steps[0], 'and at the end again');
}

/** Without the layout, which a worker computes: it comes between any two later keys. */
const EDITS = ['b', 'm', 'x', 'n', 'Control+d', 'Control+g', 'ArrowRight', 'ArrowDown', 'Delete'];
const GOING = ['j', 'k', 'Control+a', 'Control+z', 'Control+z', 'Control+Shift+z'];

/** One of a kind, so that what passed once passes again; SEED=... plays other keys. */
const SEED = Number(process.env.SEED ?? 7);

/** Fifty keys in any order, beside a list of states with a place in it; what fails is told with its seed. */
export async function undo_and_redo_agree_with_a_list_of_states({ page }) {
  const keys = fc.array(fc.constantFrom(...EDITS, ...GOING), { minLength: 50, maxLength: 50 });
  await fc.assert(
    fc.asyncProperty(keys, async (pressed) => {
      await openDocument(page, WIRED);
      let [states, at, moved, edits] = [[JSON.stringify(await documentOf(page))], 0, false, 0];
      for (const key of pressed) {
        if (moved && key.startsWith('Arrow')) continue; // quick moves of the same nodes are one step
        if (key === 'Control+d' && Object.keys(JSON.parse(states[at]).nodes).length > 20) continue;
        await press(page, key);
        await page.evaluate(
          () => document.activeElement.matches('textarea') && document.activeElement.blur(),
        );
        const now = JSON.stringify(await documentOf(page));
        if (now !== states[at]) moved = key.startsWith('Arrow');
        if (key === 'Control+z') at = Math.max(0, at - 1);
        else if (key === 'Control+Shift+z') at = Math.min(states.length - 1, at + 1);
        else if (now !== states[at])
          [states, at, edits] = [[...states.slice(0, at + 1), now], at + 1, edits + 1];
        assert.equal(now, states[at], `after ${key}`);
      }
      assert.ok(edits > 3, 'something was done');
    }),
    { numRuns: 1, endOnFailure: true, seed: SEED, includeErrorInReport: true },
  );
}

export async function copies_travel_between_workflows({ page }) {
  await openDocument(page, WIRED);
  await press(page, 'Control+a');
  await press(page, 'Control+c');
  const text = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(Object.keys(JSON.parse(text).nodes).length, 5, 'the clipboard holds a workflow');
  await page.getByRole('button', { name: 'New workflow' }).first().click();
  await page.locator('.canvas-hint').waitFor();
  await press(page, 'Control+v');
  await page.locator('.react-flow__node').first().waitFor();
  assert.equal((await documentOf(page)).nodes.save.inputs.video, 'slow');
}

export async function a_bypassed_node_is_left_out_of_what_is_saved({ page }) {
  await openDocument(page, WIRED);
  await page.getByTestId('node-slow').locator('.node-header').click();
  await press(page, 'b');
  await page.getByTestId('node-slow').getByText('bypassed').waitFor();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    press(page, 'Control+k')
      .then(() => page.keyboard.type('download'))
      .then(() => press(page, 'Enter')),
  ]);
  const chunks = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk);
  const saved = JSON.parse(Buffer.concat(chunks).toString());
  assert.equal(saved.nodes.slow, undefined);
  assert.equal(saved.nodes.save.inputs.video, 'video');
  await openDocument(page, saved);
}

export async function groups_carry_what_lies_in_them({ page, picture }) {
  await openDocument(page, WIRED);
  await press(page, 'Control+a');
  await press(page, 'Control+g');
  const before = await documentOf(page);
  const title = page.locator('.group-title').first();
  const box = await title.boundingBox();
  await page.mouse.move(box.x + 90, box.y + 8);
  await page.mouse.down();
  await page.mouse.move(box.x + 150, box.y + 48, { steps: 6 });
  await page.mouse.up();
  const after = await documentOf(page);
  const moved = after.ui.groups.group.x - before.ui.groups.group.x;
  assert.ok(moved > 20);
  for (const id of Object.keys(before.nodes))
    assert.equal(after.nodes[id].ui.x - before.nodes[id].ui.x, moved, id);
  await picture('group');
}

export async function a_wire_takes_a_reroute({ page }) {
  await openDocument(page, WIRED);
  const path = page.locator('.react-flow__edge[data-id="wire slow video 0"] .react-flow__edge-interaction');
  const [x, y] = await path.evaluate((one) => {
    const at = one.getPointAtLength(one.getTotalLength() / 2).matrixTransform(one.getScreenCTM());
    return [at.x, at.y];
  });
  await page.mouse.dblclick(x, y);
  await page.locator('.reroute').waitFor();
  const doc = await documentOf(page);
  assert.equal(doc.nodes.slow.inputs.video, 'video', 'the wire means what it meant');
  assert.equal(doc.nodes.slow.ui.via.video, 'reroute');
}

export async function the_graph_is_arranged({ page }) {
  await openDocument(page, {
    ...WIRED,
    nodes: Object.fromEntries(
      Object.entries(WIRED.nodes).map(([id, one]) => [id, { ...one, ui: { x: 0, y: 0 } }]),
    ),
  });
  await press(page, 'l');
  await page.waitForTimeout(600);
  const { nodes } = await documentOf(page);
  assert.ok(nodes.video.ui.x < nodes.slow.ui.x && nodes.slow.ui.x < nodes.save.ui.x);
}

export async function keyboard_alone_is_enough({ page }) {
  await press(page, 'Alt+n');
  await press(page, 'a');
  await page.keyboard.type('load video');
  await press(page, 'Enter');
  await press(page, 'a');
  await page.keyboard.type('save video');
  await press(page, 'Enter');
  await press(page, 'c');
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: /Save video: video/ }).focus();
  await press(page, 'Enter');
  await dialog
    .getByRole('button', { name: /Load video/ })
    .first()
    .focus();
  await press(page, 'Enter');
  assert.equal((await documentOf(page)).nodes.save_video.inputs.video, 'load_video');
}

export async function search_goes_to_a_node({ page }) {
  await openDocument(page, WIRED);
  await press(page, 'Control+f');
  await page.getByLabel('find in the graph').fill('contact');
  await page
    .getByRole('complementary', { name: 'Find' })
    .getByRole('button', { name: /Contact sheet/ })
    .click();
  await page.waitForTimeout(400);
  assert.ok(await page.getByTestId('node-sheet').evaluate((one) => one.classList.contains('selected')));
}

export async function every_key_does_one_thing({ page }) {
  await page.getByRole('button', { name: 'Keys' }).click();
  const keys = await page.getByRole('dialog', { name: 'Keys' }).locator('kbd').allInnerTexts();
  assert.ok(keys.length > 30);
  assert.deepEqual(
    keys.filter((one, place) => keys.indexOf(one) !== place),
    [],
  );
}
