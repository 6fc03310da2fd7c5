/** Text is text; nothing of a document acts. And the page can be used by everybody. */

import assert from 'node:assert/strict';
import { openDocument, press, serious, template } from './lab.mjs';

const EVIL = '<img src=x onerror="window.__hit=1"><script>window.__hit=1</script>"\'`${1}javascript:alert(1)';

export async function payloads_stay_text({ page }) {
  await openDocument(page, {
    graphflow: 1,
    name: EVIL,
    description: EVIL,
    parameters: { p: { to: 'a.text', description: EVIL } },
    nodes: {
      a: { type: 'std/text', params: { text: EVIL }, ui: { x: 0, y: 0, title: EVIL } },
      b: { type: EVIL, params: { x: EVIL }, inputs: { y: 'a' }, ui: { x: 400, y: 0 } },
      __proto__x: { type: 'std/text', ui: { x: 0, y: 300, title: EVIL } },
    },
    ui: {
      notes: { n: { x: 0, y: 500, width: 200, height: 90, text: EVIL } },
      groups: {
        g: { x: -50, y: -50, width: 900, height: 700, title: EVIL, color: 'red;background:url(//x)' },
      },
    },
  });
  await page.getByTestId('node-a').locator('.node-header').click();
  await page.waitForTimeout(400);
  await press(page, 'g');
  await page.waitForTimeout(300);
  await press(page, 'g');
  await press(page, 'Control+f');
  await page.waitForTimeout(300);
  assert.equal(await page.evaluate(() => window.__hit), undefined);
  assert.equal(await page.locator('img[src=x]').count(), 0);
}

export async function nothing_serious_for_assistive_technology({ page }) {
  const found = [];
  for (const theme of ['dark', 'light']) {
    found.push(...(await serious(page)).map((one) => `${theme} home ${one}`));
    await template(page, 'text to video');
    await page.getByTestId('node-denoise').locator('.node-header').click();
    await press(page, 'p');
    await page.waitForTimeout(300);
    found.push(...(await serious(page)).map((one) => `${theme} graph ${one}`));
    await press(page, 'g');
    found.push(...(await serious(page)).map((one) => `${theme} app ${one}`));
    await press(page, '?');
    found.push(...(await serious(page)).map((one) => `${theme} keys ${one}`));
    await press(page, 'Escape');
    await page.getByRole('button', { name: 'Nodes', exact: true }).click();
    await page.getByRole('button', { name: 'first screen' }).click();
    await page.getByRole('button', { name: theme === 'dark' ? 'Light' : 'Dark', exact: true }).click();
  }
  assert.deepEqual(found, []);
}
