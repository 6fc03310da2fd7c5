/** Workflows inside workflows: looked into in place, changed there, run from there. */

import assert from 'node:assert/strict';
import { documentOf, openDocument, press, run, serious } from './lab.mjs';

const PART = {
  graphflow: 1,
  name: 'slowed',
  parameters: { video: { to: 'fps.video' }, speed: { to: 'fps.fps' } },
  nodes: {
    fps: { type: 'media/change_fps', params: { fps: 4 }, ui: { x: 0, y: 0 } },
    back: { type: 'media/reverse', inputs: { video: 'fps' }, ui: { x: 330, y: 0 } },
  },
  outputs: { video: 'back' },
};
const AROUND = {
  graphflow: 1,
  name: 'around',
  nodes: {
    clip: { type: 'toyworld/clip', ui: { x: 0, y: 0 } },
    part: { type: 'workflow:slowed', inputs: { video: 'clip.video' }, ui: { x: 330, y: 0 } },
    save: { type: 'media/save_video', inputs: { video: 'part.video' }, ui: { x: 660, y: 0 } },
  },
  outputs: { file: 'save' },
};

const path = (page) => page.getByRole('navigation', { name: 'path of workflows' });
const tabs = (page) =>
  page.getByRole('navigation', { name: 'open workflows' }).locator('.tab > button:first-child > span');
const title = (page, node) => page.getByTestId(`node-${node}`).locator('.node-header');

export async function a_part_is_opened_changed_and_run_in_place({ page, server, picture }) {
  await openDocument(page, PART);
  await press(page, 'Control+Shift+s');
  await page.getByRole('dialog').getByRole('textbox').fill('slowed');
  await press(page, 'Enter');
  await page.getByText('saved as slowed').waitFor();
  await press(page, 'Alt+w');
  await openDocument(page, AROUND);
  await page.getByTestId('port-part-in-video').waitFor();

  await title(page, 'part').dblclick();
  await page.getByTestId('node-back').waitFor();
  assert.equal(await page.getByTestId('node-clip').count(), 0, 'in the same canvas');
  assert.deepEqual((await path(page).innerText()).split(/\s+/), ['around', 'slowed']);
  assert.deepEqual(await tabs(page).allInnerTexts(), ['around'], 'and on no tab of its own');
  assert.equal(
    await page.getByTestId('node-fps').getByText('incomplete').count(),
    0,
    'it is fed from outside',
  );
  await page.getByTestId('state-fps').getByText('will run').waitFor();

  await page.getByLabel('fps of fps', { exact: true }).first().fill('2');
  await page.getByText('saved when you go back or run').waitFor();
  await run(page);
  await page.getByTestId('state-back').getByText('done').waitFor();
  await page.getByTestId('node-back').locator('video').waitFor();
  await picture('inside');
  const kept = await (await page.request.get(`${server.origin}/api/workflows/slowed`)).json();
  assert.equal(kept.nodes.fps.params.fps, 2, 'what is changed inside is saved to it');

  await page.getByLabel('fps of fps', { exact: true }).first().fill('3');
  await run(page);
  await page.getByText('nothing to run: all is in the cache').waitFor();
  await title(page, 'back').click();
  await press(page, 'h');
  const inside = page.getByRole('dialog', { name: 'Earlier results of back' }).getByRole('article');
  await inside.nth(1).getByText('fps · fps: 2').waitFor();
  await inside.nth(1).getByRole('button', { name: 'use these settings' }).click();
  await page.getByRole('log').getByText('back and 1 node before it are set as').waitFor();
  assert.equal((await documentOf(page)).nodes.fps.params.fps, 2, 'also of a node before it on this level');

  await path(page).getByRole('button', { name: 'around' }).click();
  await page.getByTestId('node-save').locator('video').waitFor();
  assert.equal((await documentOf(page)).nodes.part.type, 'workflow:slowed');
  await title(page, 'part').click();
  await press(page, 'h');
  const history = page.getByRole('dialog', { name: 'Earlier results of part' });
  await history.locator('video').first().waitFor();
  await history.getByText('part · speed: 3').waitFor();
  await history
    .getByRole('article')
    .filter({ hasText: 'speed: 3' })
    .getByRole('button', { name: 'use these settings' })
    .click();
  await page.getByText('nothing to run: all is in the cache').waitFor();
  assert.deepEqual((await documentOf(page)).nodes.part.params, { speed: 3 }, 'not set inside, but on it');
  await press(page, 'Control+ArrowDown');
  await page.getByTestId('node-back').locator('video').waitFor();
  await page.reload();
  await page.getByTestId('node-back').locator('video').waitFor();
  await press(page, 'Control+ArrowUp');
  await page.getByTestId('node-clip').waitFor();
}

export async function a_template_inside_is_looked_at_and_duplicated({ page, picture }) {
  await openDocument(page, {
    graphflow: 1,
    name: 'uses a template',
    nodes: { made: { type: 'workflow:text_to_video', ui: { x: 0, y: 0 } } },
  });
  await page.getByTestId('port-made-in-prompt').waitFor({ state: 'attached' });
  await title(page, 'made').dblclick();
  await page.getByText('read-only: it comes with graphflow').waitFor();
  await title(page, 'denoise').click();
  await press(page, 'Delete');
  await page.getByText('cannot be changed').waitFor();
  await page.getByTestId('node-denoise').waitFor();
  await picture('read_only');
  assert.deepEqual(await serious(page), []);
  for (let step = 0; step < 12 && (await page.locator('.node.far').count()) === 0; step++) {
    await press(page, '-');
    await page.waitForTimeout(250);
  }
  assert.deepEqual(await serious(page), [], 'nor from afar');
  await press(page, 'f');
  await page.getByRole('button', { name: 'Duplicate to edit' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('mine');
  await press(page, 'Enter');
  await page.getByText('saved as mine').waitFor();
  await title(page, 'denoise').click();
  await press(page, 'x');
  await page.getByText('saved when you go back or run').waitFor();
  await path(page).getByRole('button', { name: 'uses a template' }).click();
  await page.getByTestId('node-made').waitFor();
  assert.equal((await documentOf(page)).nodes.made.type, 'workflow:mine');
}
