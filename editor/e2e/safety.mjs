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

/** A name that a file may have too. Somewhere decoded, it would be markup. */
const SLY = '&lt;img src=x onerror=window.hit=1&gt;';
const MARKUP = '<img src=x onerror=window.hit=1>';

async function nothingActed(page) {
  await page.waitForTimeout(300);
  assert.equal(await page.evaluate(() => window.hit), undefined);
  assert.equal(await page.locator('img[src=x]').count(), 0);
}

export async function names_of_kept_workflows_stay_text({ page }) {
  await openDocument(page, {
    graphflow: 1,
    name: MARKUP,
    description: MARKUP,
    parameters: { [MARKUP]: { to: 'a.value', description: MARKUP } },
    nodes: {
      a: { type: 'std/text', params: { value: MARKUP }, ui: { x: 0, y: 0 } },
      b: { type: 'std/join', inputs: { items: ['a'] }, ui: { x: 330, y: 0 } },
    },
    ui: { groups: { g: { x: -40, y: -60, width: 800, height: 400, title: MARKUP } } },
  });
  await page.locator('.tab').getByText(MARKUP).waitFor();
  await page.locator('.group-title').getByText(MARKUP).waitFor();
  assert.equal(await page.getByLabel(`name of parameter ${MARKUP}`).inputValue(), MARKUP);
  await press(page, 'g');
  await page.getByRole('main', { name: 'app' }).getByText(MARKUP).first().waitFor();
  await nothingActed(page);
  await press(page, 'g');
  await page.getByRole('button', { name: `withdraw ${MARKUP}` }).click();
  await press(page, 'Control+Shift+s');
  const ask = page.getByRole('dialog').getByRole('textbox');
  await ask.fill(MARKUP);
  await press(page, 'Enter');
  await page.getByRole('log').getByText(MARKUP).waitFor();
  await press(page, 'Escape');
  await press(page, 'Control+Shift+s');
  await ask.fill(SLY);
  await press(page, 'Enter');
  await page.getByRole('log').getByText(`saved as ${SLY}`).waitFor();
  await page.locator('.tab').getByText(SLY).waitFor();
  await page.locator('.react-flow__pane').click({ position: { x: 600, y: 640 } });
  await press(page, 'w');
  await page.getByRole('button', { name: `more for ${SLY}` }).click();
  await page.getByRole('menuitem', { name: 'Versions ...' }).click();
  await page.getByRole('dialog').waitFor();
  await nothingActed(page);
  await press(page, 'Escape');
  await page.getByRole('button', { name: 'first screen' }).click();
  await page.getByRole('region', { name: 'your workflows' }).getByText(SLY).waitFor();
  await nothingActed(page);
  await page.getByRole('button', { name: `more for ${SLY}` }).click();
  await page.getByRole('menuitem', { name: 'Put into the trash' }).click();
  await page.getByRole('button', { name: `bring ${SLY} back` }).waitFor();
  await nothingActed(page);
}

export async function what_runs_and_fails_stays_text({ page }) {
  await openDocument(page, {
    graphflow: 1,
    name: MARKUP,
    nodes: {
      text: { type: 'std/text', params: { value: MARKUP }, ui: { x: 0, y: 0 } },
      join: { type: 'std/join', inputs: { items: ['text'] }, ui: { x: 330, y: 0 } },
    },
    outputs: { text: 'join' },
  });
  await page.getByTestId('node-join').locator('.told').getByText(MARKUP).waitFor();
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByRole('button', { name: 'Queue', exact: true }).click();
  await page.locator('.run-row').getByText(MARKUP).click();
  await page.locator('.tab').getByText(MARKUP).first().waitFor();
  await nothingActed(page);

  await openDocument(page, {
    graphflow: 1,
    name: 'fails',
    nodes: {
      load: { type: 'media/load_video', params: { path: `${MARKUP}.mp4` }, ui: { x: 0, y: 0 } },
      save: { type: 'media/save_video', inputs: { video: 'load' }, ui: { x: 330, y: 0 } },
    },
    outputs: { file: 'save' },
  });
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByRole('region', { name: 'problems' }).getByText(MARKUP).first().waitFor();
  await page.getByTestId('state-load').getByText('failed').waitFor();
  await page.waitForFunction(
    (text) => document.querySelector('[data-testid=state-load]').title.includes(text),
    MARKUP,
  );
  await nothingActed(page);
}

export async function the_name_of_a_file_stays_text({ page }) {
  await openDocument(page, {
    graphflow: 1,
    nodes: { one: { type: 'media/load_image', ui: { x: 0, y: 0 } } },
  });
  const files = page.getByRole('button', { name: /path of one/ }).first();
  await files.click();
  const buffer = await page.screenshot({ clip: { x: 0, y: 0, width: 32, height: 32 } });
  await page
    .locator('input[type=file]')
    .setInputFiles({ name: `${MARKUP}.png`, mimeType: 'image/png', buffer });
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await files.click();
  await page.getByRole('dialog').getByText(`${MARKUP}.png`).first().waitFor();
  await nothingActed(page);
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

export async function who_has_no_key_is_told_and_goes_on_being_told({ browser, server }) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(server.origin);
  const status = page.getByRole('status').filter({ hasText: 'not allowed in' });
  await status.waitFor();
  await page.waitForTimeout(2_500);
  assert.equal(await status.count(), 1, 'several tries later');
  await page.getByText('it carries the token', { exact: false }).first().waitFor();
  await context.close();
}
