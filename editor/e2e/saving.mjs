/** Keeping workflows: save, reload, versions, trash, conflicts, files that carry their workflow. */

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { documentOf, dropFile, open, openDocument, press, run } from './lab.mjs';

const DOC = {
  graphflow: 1,
  name: 'kept',
  nodes: {
    a: { type: 'std/integer', params: { value: 3 }, ui: { x: 0, y: 0, title: 'Three' } },
    b: {
      type: 'pack/not_installed',
      params: { deep: [{ x: 1 }] },
      inputs: { n: 'a' },
      ui: { x: 320, y: 0, odd: true },
    },
  },
  ui: { something: ['of', 'another', 'program'] },
};

async function saveAs(page, name) {
  await press(page, 'Control+Shift+s');
  await page.getByRole('dialog').getByRole('textbox').fill(name);
  await press(page, 'Enter');
  await page.getByText(`saved as ${name}`).first().waitFor();
}

export async function what_is_open_survives_a_reload({ page }) {
  await openDocument(page, DOC);
  await page.getByTestId('node-a').locator('.node-header').click();
  await press(page, 'ArrowDown');
  const before = await documentOf(page);
  await page.reload();
  await page.getByTestId('node-a').waitFor();
  assert.deepEqual(await documentOf(page), before);
}

export async function a_saved_workflow_keeps_what_the_editor_does_not_know({ page, server }) {
  await openDocument(page, DOC);
  await saveAs(page, 'round trip');
  const told = await page.request.get(`${server.origin}/api/workflows/round%20trip`);
  const saved = await told.json();
  assert.deepEqual(saved.nodes.b.params, DOC.nodes.b.params);
  assert.equal(saved.nodes.b.ui.odd, true);
  assert.deepEqual(saved.ui.something, DOC.ui.something);
  await page.getByRole('button', { name: 'first screen' }).click();
  await page
    .getByRole('region', { name: 'your workflows' })
    .getByRole('button', { name: /round trip/ })
    .waitFor();
}

export async function a_saved_picture_and_a_workflow_file_open_where_they_are_dropped({ page, server }) {
  const made = {
    graphflow: 1,
    name: 'a still',
    nodes: {
      clip: { type: 'toyworld/clip', params: { seed: 77 }, ui: { x: 0, y: 0 } },
      frame: { type: 'media/pick_frame', inputs: { video: 'clip.video' }, ui: { x: 330, y: 0 } },
      save: { type: 'media/save_image', params: { name: 'still' }, inputs: { image: 'frame' } },
    },
    outputs: { file: 'save' },
  };
  await openDocument(page, made);
  await run(page);
  const folder = join(server.data, 'output');
  const name = (await readdir(folder)).find((one) => one.startsWith('still'));
  const bytes = await readFile(join(folder, name));
  await openDocument(page, DOC);
  await dropFile(page.locator('.react-flow__pane'), 'still.png', bytes, 'image/png');
  await page.getByText('opened the workflow that made still.png').waitFor();
  assert.equal((await documentOf(page)).nodes.clip.params.seed, 77);
  await dropFile(page.locator('.react-flow__pane'), 'sent.json', JSON.stringify({ ...DOC, name: 'sent' }));
  await page.getByRole('navigation', { name: 'open workflows' }).getByText('sent').waitFor();
  assert.deepEqual(Object.keys((await documentOf(page)).nodes), Object.keys(DOC.nodes));
}

export async function the_trash_gives_back({ page }) {
  await openDocument(page, DOC);
  await saveAs(page, 'to the trash');
  await press(page, 'w');
  await page.getByRole('button', { name: 'more for to the trash' }).click();
  await page.getByRole('menuitem', { name: 'Put into the trash' }).click();
  await page.getByRole('button', { name: 'bring to the trash back' }).click();
  await page.getByRole('button', { name: 'more for to the trash' }).waitFor();
}

export async function two_people_do_not_overwrite_each_other({ page, server, browser, picture }) {
  await openDocument(page, DOC);
  await saveAs(page, 'shared');
  const other = await open(browser, server);
  await other
    .getByRole('region', { name: 'your workflows' })
    .getByRole('button', { name: /shared/ })
    .click();
  await other.getByTestId('node-a').locator('.node-header').click();
  await press(other, 'x');
  await press(other, 'Control+s');
  await other.getByText('saved as shared').first().waitFor();
  await page.getByText('newer', { exact: true }).waitFor();
  await page.getByTestId('node-a').locator('.node-header').click();
  await press(page, 'b');
  await press(page, 'Control+s');
  await page.getByRole('dialog', { name: 'Somebody saved a newer version' }).waitFor();
  await picture('conflict');
  await page.getByRole('button', { name: 'Save mine over it' }).click();
  await page.getByText('newer', { exact: true }).waitFor({ state: 'detached' });
  assert.equal(await page.getByRole('img', { name: 'not saved' }).count(), 0);
  await other.context().close();
}

export async function versions_are_compared({ page, picture }) {
  await openDocument(page, DOC);
  await saveAs(page, 'many versions');
  await page.getByTestId('node-a').locator('.node-header').click();
  await page
    .getByRole('complementary', { name: 'inspector' })
    .getByLabel('value of a', { exact: true })
    .fill('8');
  await press(page, 'Control+s');
  await page.waitForTimeout(600);
  await page.locator('.react-flow__pane').click({ position: { x: 600, y: 60 } });
  await press(page, 'w');
  await page.getByRole('button', { name: 'more for many versions' }).click();
  await page.getByRole('menuitem', { name: 'Versions ...' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'what differs from the newest' }).nth(1).click();
  await page.getByRole('list', { name: 'differences' }).getByText('value').first().waitFor();
  await picture('versions');
}

export async function nodes_become_a_workflow_and_back({ page, picture }) {
  await openDocument(page, {
    graphflow: 1,
    name: 'outer',
    nodes: {
      a: { type: 'toyworld/clip', ui: { x: 0, y: 0 } },
      b: { type: 'media/change_fps', params: { fps: 4 }, inputs: { video: 'a.video' }, ui: { x: 330, y: 0 } },
      c: { type: 'media/reverse', inputs: { video: 'b' }, ui: { x: 660, y: 0 } },
      d: { type: 'media/save_video', inputs: { video: 'c' }, ui: { x: 990, y: 0 } },
    },
    outputs: { file: 'd' },
  });
  const before = await documentOf(page);
  await page.getByTestId('node-b').locator('.node-header').click();
  await page
    .getByTestId('node-c')
    .locator('.node-header')
    .click({ modifiers: ['Shift'] });
  await press(page, 'Control+Shift+g');
  await page.getByRole('dialog').getByRole('textbox').fill('inner part');
  await press(page, 'Enter');
  await page.getByTestId('node-inner_part').waitFor();
  await page.getByTestId('port-inner_part-in-video').waitFor();
  await picture('inner');
  assert.equal((await documentOf(page)).nodes.d.inputs.video, 'inner_part.c');
  await press(page, 'Control+ArrowDown');
  await page.getByTestId('node-c').waitFor();
  await page
    .getByRole('navigation', { name: 'path of workflows' })
    .getByRole('button', { name: 'outer' })
    .click();
  await page.getByTestId('node-inner_part').locator('.node-header').click();
  await press(page, 'Control+k');
  await page.keyboard.type('put the nodes');
  await press(page, 'Enter');
  await page.getByTestId('node-c').waitFor();
  assert.deepEqual((await documentOf(page)).nodes.d.inputs, before.nodes.d.inputs);
}
