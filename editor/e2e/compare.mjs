/** Two results beside each other: of two nodes, of two runs, of two workflows; clips in step. */

import assert from 'node:assert/strict';
import { documentOf, openDocument, press, run, serious } from './lab.mjs';

const CLIPS = {
  graphflow: 1,
  name: 'clips',
  nodes: {
    clip: { type: 'toyworld/clip', params: { seed: 3 }, ui: { x: 0, y: 0 } },
    back: { type: 'media/reverse', inputs: { video: 'clip.video' }, ui: { x: 340, y: 0 } },
    saved: { type: 'media/save_video', inputs: { video: 'back' }, ui: { x: 680, y: 0 } },
  },
  outputs: { file: 'saved' },
};

const dialogOf = (page) => page.getByRole('dialog', { name: 'Compare' });
const sources = (page) =>
  page.locator('.pictures video').evaluateAll((all) => all.map((one) => new URL(one.src).pathname));
const ready = (page) =>
  page.waitForFunction(() => {
    const all = [...document.querySelectorAll('.pictures video')];
    return all.length === 2 && all.every((one) => one.readyState >= 2);
  });
const apart = (page) =>
  page.locator('.pictures video').evaluateAll(([one, other]) => one.currentTime - other.currentTime);

/** From the node that is chosen to the window in which it is compared. */
async function choose(page, ...nodes) {
  for (const [place, node] of nodes.entries())
    await page
      .getByTestId(`node-${node}`)
      .locator('.node-header')
      .click(place === 0 ? {} : { modifiers: ['Shift'] });
  await press(page, 'v');
  await ready(page);
}

export async function the_results_of_two_nodes({ page, picture }) {
  await openDocument(page, CLIPS);
  await run(page);
  await page.getByTestId('node-saved').locator('video').waitFor();
  await choose(page, 'clip', 'back');
  const dialog = dialogOf(page);
  const [left, right] = await sources(page);
  assert.notEqual(left, right);
  assert.ok(left.endsWith('/video') && right.endsWith('/out'), `${left} beside ${right}`);

  await dialog.getByRole('button', { name: 'hold both' }).click();
  const place = dialog.getByRole('slider', { name: 'place in both' });
  await place.fill('0.5');
  await page.waitForFunction(() => {
    const all = [...document.querySelectorAll('.pictures video')];
    return all.every((one) => one.paused && !one.seeking && Math.abs(one.currentTime - 0.5) < 0.07);
  });
  assert.equal(await apart(page), 0, 'held at one place');

  const edge = () => page.locator('.compared').evaluate((one) => one.style.getPropertyValue('--share'));
  const field = await page.locator('.pictures').boundingBox();
  await page.mouse.move(field.x + field.width * 0.5, field.y + field.height * 0.4);
  await page.mouse.down();
  await page.mouse.move(field.x + field.width * 0.25, field.y + field.height * 0.4, { steps: 4 });
  await page.mouse.up();
  assert.ok(Math.abs(parseFloat(await edge()) - 25) < 1, `the wipe follows the pointer: ${await edge()}`);
  await dialog.getByRole('slider', { name: 'wipe between the two' }).focus();
  await press(page, 'ArrowRight');
  assert.ok(Math.abs(parseFloat(await edge()) - 26) < 1, 'and the keyboard');
  await picture('compare');
  assert.deepEqual(await serious(page), []);

  await dialog.getByRole('button', { name: 'play both' }).click();
  await page.waitForFunction(() =>
    [...document.querySelectorAll('.pictures video')].every((one) => !one.paused),
  );
  await dialog.getByRole('button', { name: 'Side by side' }).click();
  await picture('compare_beside');
  await dialog.getByRole('button', { name: 'Difference' }).click();
  await picture('compare_difference');
  await dialog.getByRole('button', { name: 'swap the two' }).click();
  await ready(page);
  assert.deepEqual(await sources(page), [right, left], 'swapped');
}

export async function an_earlier_result_with_what_was_set_otherwise({ page, picture }) {
  await openDocument(page, { ...CLIPS, name: 'earlier clips' });
  await run(page);
  const video = page.getByTestId('node-clip').locator('video');
  const first = new URL(await video.getAttribute('src'), page.url()).pathname;
  await page.getByTestId('node-clip').locator('.node-header').click();
  const inspector = page.getByRole('complementary', { name: 'inspector' });
  await inspector.getByLabel('seed of clip', { exact: true }).fill('4');
  await press(page, 'Tab');
  await page.getByTestId('state-clip').getByText('will run').waitFor();
  await run(page);
  await page.getByTestId('node-back').locator('.result').hover();
  await page
    .getByTestId('node-back')
    .getByRole('button', { name: /^compare the result of/ })
    .click();
  await ready(page);
  const dialog = dialogOf(page);
  const [now, before] = await sources(page);
  assert.notEqual(now, before, 'the result before it is there at once');
  const told = dialog.getByRole('region', { name: 'what was set otherwise' });
  await told.getByText('seed').waitFor();
  assert.match(await told.innerText(), /clip[\s\S]*seed 4 3/);

  const results = dialog.getByLabel('result of the right one');
  assert.deepEqual((await results.locator('option').allInnerTexts())[0], 'now');
  await dialog.getByLabel('node of the right one').selectOption({ label: 'Clip (clip)' });
  await dialog.getByLabel('result of the right one').selectOption({ index: 1 });
  await page.waitForFunction(
    (path) => new URL(document.querySelectorAll('.pictures video')[1]?.src ?? 'http://x').pathname === path,
    first,
  );
  await ready(page);
  await picture('compare_earlier');
}

export async function a_result_of_another_open_workflow({ page }) {
  await openDocument(page, { ...CLIPS, name: 'one' });
  await run(page);
  const other = structuredClone(CLIPS);
  other.nodes.clip.params.seed = 9;
  await openDocument(page, { ...other, name: 'two' });
  await run(page);
  await choose(page, 'clip');
  const node = dialogOf(page).getByLabel('node of the right one');
  await node.locator('optgroup[label=one] option', { hasText: 'Clip (clip)' }).waitFor({ state: 'attached' });
  const value = await node.locator('optgroup[label=one] option').first().getAttribute('value');
  await node.selectOption(value);
  await ready(page);
  const [left, right] = await sources(page);
  assert.notEqual(left, right);
}

export async function an_earlier_result_comes_back_with_what_made_it({ page, picture }) {
  const clip = { ...CLIPS.nodes.clip, params: { seed: 31 } };
  await openDocument(page, { ...CLIPS, name: 'brought back', nodes: { ...CLIPS.nodes, clip } });
  await run(page);
  await page.getByTestId('node-saved').locator('video').waitFor();
  await page.getByTestId('node-clip').locator('.node-header').click();
  const inspector = page.getByRole('complementary', { name: 'inspector' });
  await inspector.getByLabel('seed of clip', { exact: true }).fill('41');
  await press(page, 'Tab');
  await run(page);
  await page.getByText('nothing to run: all is in the cache').waitFor();

  await page.getByTestId('node-back').locator('.node-header').click();
  await press(page, 'h');
  const cards = page.getByRole('dialog', { name: 'Earlier results of back' }).getByRole('article');
  await cards.nth(0).getByText('as it is set now').waitFor();
  await cards.nth(1).getByText('clip · seed: 31').waitFor();
  await picture('brought_back');
  await cards.nth(1).getByRole('button', { name: 'use these settings' }).click();
  await page.getByRole('log').getByText('back and 1 node before it are set as').waitFor();
  assert.equal((await documentOf(page)).nodes.clip.params.seed, 31);
  await page.getByText('nothing to run: all is in the cache').waitFor();
  await press(page, 'Control+z');
  assert.equal((await documentOf(page)).nodes.clip.params.seed, 41, 'one step undoes it');

  await page.getByTestId('node-clip').locator('.node-header').click();
  await press(page, 'Delete');
  await page.getByTestId('node-back').locator('.node-header').click();
  await press(page, 'h');
  await cards.nth(1).getByText('clip is not there any more').waitFor();
  await cards.nth(1).getByRole('button', { name: 'open the workflow that made it' }).click();
  await page.getByTestId('node-clip').waitFor();
  assert.equal((await documentOf(page)).nodes.clip.params.seed, 31, 'all of it as it ran');
}
