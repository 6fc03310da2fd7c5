/** Work that nobody saved: the browser dies, another one takes it up. */

import assert from 'node:assert/strict';
import { documentOf, open, openDocument, press, serious } from './lab.mjs';

const DOC = {
  graphflow: 1,
  name: 'half done',
  nodes: {
    clip: { type: 'toyworld/clip', params: { seed: 3 }, ui: { x: 0, y: 0 } },
    back: { type: 'media/reverse', inputs: { video: 'clip.video' }, ui: { x: 340, y: 0 } },
    odd: { type: 'pack/not_installed', params: { deep: [{ x: 1 }] }, ui: { x: 0, y: 400, of: 'somebody' } },
  },
  outputs: { video: 'back' },
};

const offered = (page, title) =>
  page.getByRole('region', { name: 'not saved' }).getByRole('button', { name: new RegExp(`^${title} ?\\d`) });

async function setSeed(page, seed) {
  await page.getByTestId('node-clip').locator('.node-header').click();
  await page
    .getByRole('complementary', { name: 'inspector' })
    .getByLabel('seed of clip', { exact: true })
    .fill(seed);
  await press(page, 'Tab');
}

/** The page is gone without having been told; its profile with it. */
async function die(page) {
  await page.goto('chrome://crash').catch(() => undefined);
  await page.context().close();
}

export async function a_dead_browser_s_work_is_taken_up_in_another({ page, server, browser }) {
  const first = await open(browser, server);
  await openDocument(first, DOC);
  await setSeed(first, '41');
  await first.getByTestId('node-back').locator('.node-header').click();
  await press(first, 'b');
  const before = await documentOf(first);
  await first.waitForTimeout(1_600);
  await page.reload();
  await page.getByText('connected', { exact: true }).waitFor();
  assert.equal(await offered(page, 'half done').count(), 0, 'what somebody is at work on is theirs');
  await die(first);

  const fresh = await open(browser, server);
  const tile = offered(fresh, 'half done');
  await tile.waitFor();
  await fresh.screenshot({ path: new URL('./pictures/drafts.png', import.meta.url).pathname });
  assert.deepEqual(await serious(fresh), []);
  await tile.click();
  await fresh.getByTestId('node-back').getByText('bypassed').waitFor();
  assert.deepEqual(await documentOf(fresh), before);
  await fresh.getByRole('img', { name: 'not saved' }).waitFor();
  await fresh.getByRole('button', { name: 'first screen' }).click();
  await offered(fresh, 'half done').waitFor({ state: 'detached' });

  await fresh.reload();
  await fresh.getByRole('img', { name: 'not saved' }).waitFor();
  await fresh.getByRole('button', { name: 'close half done' }).click();
  await fresh.getByRole('dialog').getByRole('button', { name: 'Close without saving' }).click();
  await fresh.waitForTimeout(600);
  await die(fresh);
  await page.reload();
  await page.getByText('connected', { exact: true }).waitFor();
  await page.waitForTimeout(300);
  assert.equal(await offered(page, 'half done').count(), 0, 'what was given up is not offered');
}

export async function a_change_of_a_kept_workflow_goes_on_from_its_version({ page, server, browser }) {
  const first = await open(browser, server);
  await openDocument(first, DOC);
  await press(first, 'Control+Shift+s');
  await first.getByRole('dialog').getByRole('textbox').fill('kept and changed');
  await press(first, 'Enter');
  await first.getByText('saved as kept and changed').first().waitFor();
  await setSeed(first, '77');
  await first.waitForTimeout(1_600);
  await die(first);

  await page.reload();
  await offered(page, 'kept and changed').click();
  await page.getByTestId('node-clip').waitFor();
  await page.getByRole('img', { name: 'not saved' }).waitFor();
  await press(page, 'Control+s');
  await page.getByText('saved as kept and changed').first().waitFor();
  const told = await page.request.get(`${server.origin}/api/workflows/kept%20and%20changed`);
  assert.equal((await told.json()).nodes.clip.params.seed, 77);
  assert.equal(await page.getByRole('img', { name: 'not saved' }).count(), 0);
}

export async function windows_of_one_browser_keep_what_each_has_open({ page, server }) {
  await openDocument(page, { ...DOC, name: 'in the first window' });
  const other = await page.context().newPage();
  await other.goto(server.url);
  await other.getByText('connected', { exact: true }).waitFor();
  await openDocument(other, { ...DOC, name: 'in the second window' });
  await other.waitForTimeout(600);
  await page.reload();
  await page.getByTestId('node-clip').waitFor();
  const tabs = page.getByRole('navigation', { name: 'open workflows' });
  await tabs.getByRole('button', { name: 'in the first window', exact: true }).waitFor();
  assert.equal(await tabs.getByRole('button', { name: 'in the second window', exact: true }).count(), 0);
}

export async function a_copy_of_a_window_has_drafts_of_its_own({ page, server, browser }) {
  await openDocument(page, { ...DOC, name: 'in two windows' });
  await setSeed(page, '51');
  await page.waitForTimeout(1_600);
  const [copy] = await Promise.all([
    page.context().waitForEvent('page'),
    page.evaluate(() => void window.open(location.href)), // as “Duplicate tab” does, it takes along what the window keeps
  ]);
  await copy.getByText('connected', { exact: true }).waitFor();
  await copy.getByTestId('node-clip').waitFor();
  await copy.getByRole('button', { name: 'first screen' }).click();
  await copy.waitForTimeout(300);
  assert.equal(await offered(copy, 'in two windows').count(), 0, 'it is open, though in another window');
  await copy.locator('.tab').getByText('in two windows').click();
  await setSeed(copy, '52');
  await setSeed(page, '53');
  await page.waitForTimeout(1_600);
  for (const [window, seed] of [
    [page, 53],
    [copy, 52],
  ]) {
    await window.reload();
    await window.getByTestId('node-clip').waitFor();
    assert.equal((await documentOf(window)).nodes.clip.params.seed, seed, 'a reload loses nothing in either');
  }
  await page.waitForTimeout(1_600);
  await die(page);

  const other = await open(browser, server);
  const tiles = offered(other, 'in two windows');
  await tiles.nth(1).waitFor();
  const seeds = [];
  for (let left = 2; left > 0; left--) {
    await tiles.first().click();
    await other.getByTestId('node-clip').waitFor();
    seeds.push((await documentOf(other)).nodes.clip.params.seed);
    await other.getByRole('button', { name: 'first screen' }).click();
    await tiles.nth(left - 1).waitFor({ state: 'detached' });
  }
  assert.deepEqual(seeds.sort(), [52, 53], 'the edits of both windows are there');
}
