/** Somebody who has never seen it: pick a template, change the prompt, press Run, see the video; change the seed, run again. */

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { documentOf, dropFile, press, run, template } from './lab.mjs';

const state = (page, node) => page.getByTestId(`state-${node}`);

export async function from_nothing_to_a_changed_video({ page, server, picture }) {
  await page.waitForFunction(() => {
    const seen = [...document.querySelectorAll('.card img')].slice(0, 8);
    return seen.length === 8 && seen.every((one) => one.complete && one.naturalWidth > 0);
  });
  await page.waitForTimeout(300);
  await picture('home');
  await page.getByLabel('search templates and workflows').fill('text to video');
  await template(page, 'text to video');
  await page
    .getByLabel('prompt of encode', { exact: true })
    .first()
    .fill('a blue box moving up on a pink background');
  await picture('graph');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByTestId('preview-denoise').waitFor({ timeout: 90_000 });
  await page.getByText(/^running: \d of \d+ steps?$/).waitFor({ timeout: 1_000 });
  await picture('preview');
  await page.getByRole('button', { name: 'Cancel the run' }).waitFor({ state: 'detached', timeout: 90_000 });
  const video = page.getByTestId('node-decode').locator('video');
  await video.waitFor();
  await page.waitForFunction(
    () => document.querySelector('[data-testid=node-decode] video')?.currentTime > 0.05,
  );
  await picture('done');
  await page.getByRole('button', { name: 'Light', exact: true }).click();
  await picture('light');
  await page.getByRole('button', { name: 'Dark', exact: true }).click();
  await page.getByText('nothing to run: all is in the cache').waitFor();

  await page.getByTestId('node-denoise').locator('.node-header').click();
  const inspector = page.getByRole('complementary', { name: 'inspector' });
  await inspector.getByLabel('steps of denoise', { exact: true }).fill('60');
  await inspector.getByText('measured on this node, in proportion to').waitFor();
  await press(page, 'Control+z');
  await page.getByText('nothing to run: all is in the cache').waitFor();
  await page.getByRole('button', { name: 'seed of denoise: throw the dice' }).first().click();
  await page.getByText(/3 steps will run/).waitFor();
  assert.equal((await state(page, 'denoise').innerText()).startsWith('will run'), true);
  assert.equal(
    (await state(page, 'encode').innerText()).startsWith('cached') ||
      (await state(page, 'encode').innerText()).startsWith('done'),
    true,
  );
  await run(page);
  assert.match(await state(page, 'denoise').innerText(), /done/);
  assert.match(await state(page, 'encode').innerText(), /cached/);

  await page.getByTestId('node-denoise').locator('.node-header').click();
  await page.getByRole('button', { name: 'earlier results of this node' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'use these settings' }).nth(1).click();
  await page.getByText('nothing to run: all is in the cache').waitFor();
  assert.equal((await documentOf(page)).nodes.denoise.params.seed, 0, 'the earlier seed came back');

  await page.getByTestId('node-decode').locator('.node-header').click();
  await press(page, 'h');
  const history = page.getByRole('dialog', { name: 'Earlier results of decode' });
  await history.locator('video').nth(1).waitFor();
  await picture('history');
  await history.getByRole('button', { name: 'mark for comparison' }).nth(0).click();
  await history.getByRole('button', { name: 'mark for comparison' }).nth(1).click();
  await history.getByRole('button', { name: 'Compare two' }).click();
  const wipe = page.getByRole('slider', { name: 'wipe between the two' });
  await wipe.focus();
  const edge = () => page.locator('.compared').evaluate((one) => one.style.getPropertyValue('--share'));
  const before = await edge();
  await press(page, 'ArrowRight');
  assert.notEqual(await edge(), before, 'the slider uncovers more of one of them');
  await page.waitForFunction(() =>
    [...document.querySelectorAll('.pictures video')].every((one) => one.readyState >= 2),
  );
  await picture('wipe');
  await press(page, 'Escape');

  await press(page, 'g');
  await page.locator('.app-results video').waitFor();
  await page.getByRole('link', { name: /text_to_video-\w+\.mp4/ }).waitFor();
  await picture('app_done');

  const folder = join(server.data, 'output');
  const name = (await readdir(folder)).find((one) => one.endsWith('.mp4'));
  const bytes = await readFile(join(folder, name));
  await page.getByRole('button', { name: 'first screen' }).click();
  await dropFile(page.locator('.home'), 'found.mp4', bytes, 'video/mp4');
  await page.getByText('opened the workflow that made found.mp4').waitFor();
  await page.getByTestId('node-denoise').waitFor();
}
