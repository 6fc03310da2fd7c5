/** With fingers alone, on a tablet. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { documentOf, open, PICTURES } from './lab.mjs';

/** The share of itself at which an element is seen, its parents counted. */
const opacity = (found) =>
  found.evaluate((one) => {
    let share = 1;
    for (let at = one; at; at = at.parentElement) share *= Number(getComputedStyle(at).opacity);
    return share;
  });

export async function by_touch_from_a_template_to_a_changed_graph({ server, browser }) {
  const page = await open(browser, server, {
    viewport: { width: 1024, height: 768 },
    hasTouch: true,
    isMobile: true,
  });
  const button = (name) => page.getByRole('button', { name, exact: true });
  await page
    .getByRole('button', { name: /^text to video ?[A-Z]/ })
    .first()
    .tap();
  await page.getByTestId('node-denoise').waitFor();
  await button('Zoom in').tap();
  await button('Show all').tap();
  await page.waitForTimeout(400);

  await page.getByTestId('node-encode').locator('.node-header').tap();
  const inspector = page.getByRole('complementary', { name: 'inspector' });
  const prompt = inspector.getByLabel('prompt of encode', { exact: true });
  await prompt.tap();
  await prompt.fill('a green box moving right on a black background');
  assert.equal(
    await opacity(page.getByTestId('port-denoise-in-seed')),
    1,
    'settings show that they can be wired, though no pointer is on the node',
  );
  await button('Run').tap();
  await page.getByTestId('node-decode').locator('video').waitFor({ timeout: 90_000 });
  await button('Cancel the run').waitFor({ state: 'detached', timeout: 90_000 });
  const large = page.getByTestId('node-decode').getByRole('button', { name: /see the result of .* large/ });
  assert.equal(await opacity(large), 1);
  await large.tap();
  await page.getByRole('dialog').locator('video').waitFor();
  await page.screenshot({ path: join(PICTURES, 'tablet_large.png') });
  await page.getByRole('dialog').getByRole('button', { name: 'close' }).tap();

  const before = Object.keys((await documentOf(page)).nodes).length;
  await button('Add a node').tap();
  const palette = page.getByRole('dialog', { name: 'add a node' });
  await palette.getByRole('combobox').tap();
  await page.keyboard.type('contact');
  await palette.getByRole('option', { name: /^Contact sheet/ }).tap();
  const added = await documentOf(page);
  assert.equal(Object.keys(added.nodes).length, before + 1);
  assert.ok(added.nodes.contact_sheet);

  await button('Commands for what is chosen').tap();
  const menu = await page.getByRole('menu').boundingBox();
  assert.ok(menu.y >= 0 && menu.y + menu.height <= 768, `all of the menu is seen: ${JSON.stringify(menu)}`);
  await page.screenshot({ path: join(PICTURES, 'tablet.png') });
  await page.getByRole('menuitem', { name: /^Delete/ }).tap();
  assert.equal(
    (await documentOf(page)).nodes.contact_sheet,
    undefined,
    'its menu is reached without a right button',
  );

  await button('Inspector').tap();
  await inspector.waitFor({ state: 'detached' });
  await button('Inspector').tap();
  await inspector.waitFor();
  await page.setViewportSize({ width: 768, height: 600 });
  await button('App').tap();
  const app = page.getByRole('main', { name: 'app' });
  const all = await app.boundingBox();
  const runs = await app.getByRole('button', { name: 'Run', exact: true }).boundingBox();
  assert.ok(runs.y + runs.height <= all.y + all.height, 'all of the button is seen, however long the form');
  assert.deepEqual(page.faults, []);
  await page.context().close();
}
