/** Order on the canvas: aligned, distributed, switched off, folded, noted down, seen from above; several workflows side by side. */

import assert from 'node:assert/strict';
import { documentOf, openDocument, press } from './lab.mjs';

const DOC = {
  graphflow: 1,
  name: 'in order',
  nodes: {
    clip: { type: 'toyworld/clip', ui: { x: 0, y: 40 } },
    back: { type: 'media/reverse', inputs: { video: 'clip.video' }, ui: { x: 290, y: 0 } },
    again: { type: 'media/reverse', inputs: { video: 'back' }, ui: { x: 700, y: 90 } },
    saved: { type: 'media/save_video', inputs: { video: 'again' }, ui: { x: 1020, y: 20 } },
  },
  outputs: { file: 'saved' },
};

/** Anything that can be done, by its name. */
async function command(page, name) {
  await press(page, 'Control+k');
  await page.keyboard.type(name);
  await press(page, 'Enter');
  await page.waitForTimeout(120);
}

const title = (page, node) => page.getByTestId(`node-${node}`).locator('.node-header');

export async function nodes_are_aligned_and_distributed({ page }) {
  await openDocument(page, DOC);
  await press(page, 'Control+a');
  await command(page, 'align top');
  const aligned = Object.values((await documentOf(page)).nodes).map((one) => one.ui.y);
  assert.deepEqual(new Set(aligned), new Set([0]));
  await command(page, 'horizontally');
  const boxes = await page
    .locator('.react-flow__node-graph')
    .evaluateAll((all) =>
      all.map((one) => one.getBoundingClientRect()).map(({ left, right }) => ({ left, right })),
    );
  boxes.sort((a, b) => a.left - b.left);
  const gaps = boxes.slice(1).map((box, place) => box.left - boxes[place].right);
  assert.ok(Math.max(...gaps) - Math.min(...gaps) < 2, `gaps ${gaps}`);
  await press(page, 'Control+z');
  await press(page, 'Control+z');
  assert.deepEqual((await documentOf(page)).nodes, DOC.nodes, 'each is one step');
}

export async function a_muted_node_is_out_with_all_that_needs_it({ page }) {
  await openDocument(page, DOC);
  await title(page, 'again').click();
  await press(page, 'm');
  await page.getByTestId('node-again').getByText('muted').waitFor();
  await page.getByText('2 steps will run').waitFor(); // what stands before it still does
  await press(page, 'm');
  await page.getByText('4 steps will run').waitFor();
}

export async function nodes_are_folded_and_noted_and_the_map_is_put_away({ page }) {
  await openDocument(page, DOC);
  await title(page, 'clip').click();
  const node = page.getByTestId('node-clip');
  const tall = (await node.boundingBox()).height;
  await press(page, 'x');
  await page.waitForTimeout(200);
  assert.ok((await node.boundingBox()).height < tall / 2);
  await page.locator('.react-flow__pane').click({ position: { x: 500, y: 600 } });
  await press(page, 'n');
  const note = page.getByLabel('text of the note');
  await note.fill('for the second take');
  await note.press('Escape');
  const notes = Object.values((await documentOf(page)).ui.notes);
  assert.equal(notes[0].text, 'for the second take');
  const map = page.getByRole('img', { name: 'overview' });
  await map.waitFor();
  await page.locator('.react-flow__pane').click({ position: { x: 40, y: 700 } });
  await command(page, 'overview map');
  await map.waitFor({ state: 'detached' });
  await command(page, 'overview map');
  await map.waitFor();
}

export async function several_workflows_are_open_and_each_has_its_own_past({ page }) {
  await openDocument(page, DOC);
  await title(page, 'clip').click();
  await press(page, 'Delete');
  await openDocument(page, { ...DOC, name: 'beside' });
  await press(page, 'Control+z');
  await page.getByTestId('node-clip').waitFor();
  await press(page, 'Alt+PageUp');
  await page.getByTestId('node-clip').waitFor({ state: 'detached' });
  await press(page, 'Control+z');
  await page.getByTestId('node-clip').waitFor();
  await press(page, 'Alt+PageDown');
  await page
    .getByRole('button', { name: 'beside', exact: true })
    .and(page.locator('[aria-current=page]'))
    .waitFor();
}
