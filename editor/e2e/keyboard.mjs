/** Without a pointer: from the first screen to a result, with Tab and keys alone. */

import assert from 'node:assert/strict';
import { documentOf, press } from './lab.mjs';

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
