/** Runs: failure, cancel, two browsers on one run, a server that restarts. */

import assert from 'node:assert/strict';
import { open, openDocument, press, run, serious } from './lab.mjs';

const FAILS = {
  graphflow: 1,
  name: 'fails',
  nodes: {
    load: { type: 'media/load_video', params: { path: 'there/is/no.mp4' }, ui: { x: 0, y: 0 } },
    save: { type: 'media/save_video', inputs: { video: 'load' }, ui: { x: 400, y: 0 } },
  },
  outputs: { file: 'save' },
};

const SLOW = {
  graphflow: 1,
  name: 'slow',
  nodes: {
    model: { type: 'diffusion/load_model', ui: { x: 0, y: 0 } },
    latents: { type: 'diffusion/empty_latents', inputs: { vae: 'model.vae' }, ui: { x: 330, y: -180 } },
    encode: {
      type: 'diffusion/encode_prompt',
      params: { prompt: 'a red ball' },
      inputs: { text_encoder: 'model.text_encoder' },
      ui: { x: 330, y: 60 },
    },
    denoise: {
      type: 'diffusion/denoise',
      params: { steps: 120, seed: 1 },
      inputs: {
        denoiser: 'model.denoiser',
        scheduler: 'model.scheduler',
        prompt: 'encode',
        latents: 'latents',
      },
      ui: { x: 660, y: 0 },
    },
    decode: {
      type: 'diffusion/decode',
      inputs: { latents: 'denoise', vae: 'model.vae' },
      ui: { x: 990, y: 0 },
    },
  },
  outputs: { video: 'decode' },
};
const slow = (seed, steps = 120) => ({
  ...SLOW,
  nodes: { ...SLOW.nodes, denoise: { ...SLOW.nodes.denoise, params: { steps, seed } } },
});

export async function a_failure_is_told_and_found({ page, picture }) {
  await openDocument(page, FAILS);
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  const problems = page.getByRole('region', { name: 'problems' });
  await problems.waitFor();
  await picture('problems');
  await page.locator('.react-flow__pane').click({ position: { x: 900, y: 650 } });
  await problems.getByRole('button', { name: /load/ }).first().click();
  assert.ok(await page.getByTestId('node-load').evaluate((one) => one.classList.contains('selected')));
}

export async function what_cannot_work_is_told_at_its_input_before_anything_runs({ page, picture }) {
  const other = { type: 'diffusion/load_model', params: { model: 'tiny-ltx' }, ui: { x: 660, y: 420 } };
  const decode = { ...SLOW.nodes.decode, inputs: { latents: 'denoise', vae: 'other.vae' } };
  await openDocument(page, { ...SLOW, nodes: { ...SLOW.nodes, other, decode } });
  await page.getByTestId('state-decode').getByText('failed').waitFor();
  await page.getByRole('button', { name: '1 problem' }).click();
  const problems = page.getByRole('region', { name: 'problems' });
  await problems.getByText('made for another VAE').waitFor();
  await problems.getByText('decode.latents', { exact: true }).waitFor();
  assert.ok(
    await page
      .getByTestId('port-decode-in-latents')
      .evaluate((one) => one.closest('.port').classList.contains('faulty')),
  );
  await picture('refused_by_the_plan');
}

export async function an_incomplete_graph_says_what_is_missing({ page }) {
  await openDocument(page, { ...FAILS, nodes: { save: { type: 'media/save_video', ui: { x: 0, y: 0 } } } });
  await page.getByTestId('node-save').getByText('incomplete').waitFor();
  await page.getByRole('button', { name: '1 problem' }).click();
  await page.getByRole('region', { name: 'problems' }).getByText(/video/).first().waitFor();
}

export async function a_run_is_cancelled({ page }) {
  await openDocument(page, slow(11));
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByRole('progressbar', { name: 'progress of denoise' }).waitFor({ timeout: 60_000 });
  await press(page, 'Control+.');
  await page.getByText('cancelled; what is done is kept').waitFor({ timeout: 30_000 });
}

export async function two_browsers_watch_one_run({ page, server, browser }) {
  await openDocument(page, slow(12, 480)); // the second browser has to come in time
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByRole('progressbar', { name: 'progress of denoise' }).waitFor({ timeout: 60_000 });
  const other = await open(browser, server);
  await other.getByRole('button', { name: 'Queue', exact: true }).click();
  await other.getByRole('button', { name: 'cancel slow' }).click();
  await page.getByText('cancelled; what is done is kept').waitFor({ timeout: 30_000 });
  await other.context().close();
}

export async function a_second_browser_sees_the_run_of_the_first({ page, server, browser }) {
  const other = await open(browser, server);
  await other.getByRole('button', { name: 'Queue', exact: true }).click();
  await openDocument(page, slow(15, 240));
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByRole('progressbar', { name: 'progress of denoise' }).waitFor({ timeout: 60_000 });
  await other.locator('.run-row:is(.running, .queued)').getByRole('button', { name: /^slow/ }).click();
  const progress = other.getByRole('progressbar', { name: 'progress of denoise' });
  const seen = Number(await progress.and(other.locator('[aria-valuenow]')).getAttribute('aria-valuenow'));
  assert.ok(seen > 0 && seen <= 240, `step ${seen}`);
  const preview = other.getByTestId('preview-denoise');
  await preview.waitFor();
  await other.waitForFunction(
    () => document.querySelector('[data-testid=preview-denoise]')?.naturalWidth > 0,
  );
  await other.getByTestId('node-decode').locator('video').waitFor({ timeout: 90_000 });
  await other.getByTestId('state-decode').getByText('done').waitFor();
  const made = (one) => one.getByTestId('node-decode').locator('video').getAttribute('src');
  await page.getByTestId('node-decode').locator('video').waitFor();
  assert.equal(await made(other), await made(page), 'both show one result');
  assert.deepEqual(other.faults, []);
  await other.context().close();
}

export async function a_restart_of_the_server_loses_nothing({ page, server }) {
  await openDocument(page, slow(13));
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByRole('progressbar', { name: 'progress of denoise' }).waitFor({ timeout: 60_000 });
  await server.down();
  await page.getByText('no connection; trying again').waitFor();
  await server.up(server.port);
  await page.getByText('connected', { exact: true }).waitFor({ timeout: 30_000 });
  await page.getByRole('button', { name: 'Cancel the run' }).waitFor({ state: 'detached', timeout: 90_000 });
  await page.getByTestId('node-decode').locator('video').waitFor({ timeout: 30_000 });
}

export async function a_killed_worker_costs_one_node({ page, server }) {
  await openDocument(page, slow(14));
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByRole('progressbar', { name: 'progress of denoise' }).waitFor({ timeout: 60_000 });
  await page.getByTestId('preview-denoise').waitFor();
  const killed = await server.killWorkers();
  assert.ok(killed > 0, 'there was a worker to kill');
  await page
    .getByRole('region', { name: 'problems' })
    .getByText(/the worker process died/)
    .waitFor({ timeout: 30_000 });
  await run(page);
  await page.getByTestId('node-decode').locator('video').waitFor({ timeout: 30_000 });
}

export async function running_to_a_node_leaves_the_rest({ page }) {
  await openDocument(page, {
    graphflow: 1,
    name: 'parts',
    nodes: {
      a: { type: 'toyworld/clip', ui: { x: 0, y: 0 } },
      b: { type: 'media/save_video', inputs: { video: 'a.video' }, ui: { x: 400, y: 0 } },
      c: { type: 'media/contact_sheet', inputs: { items: 'a.video' }, ui: { x: 400, y: 400 } },
    },
    outputs: { file: 'b' },
  });
  await page.getByTestId('node-a').locator('.node-header').click();
  await press(page, 'Control+Shift+Enter');
  await page
    .getByTestId('state-a')
    .getByText(/done|cached/)
    .waitFor({ timeout: 60_000 });
  await page
    .getByTestId('state-b')
    .getByText(/will run/)
    .waitFor();
  await run(page);
  await page.getByTestId('node-b').locator('video').waitFor();

  await page.getByTestId('node-c').locator('.node-header').click();
  const inspector = page.getByRole('complementary', { name: 'inspector' });
  await inspector.getByText('nothing that is asked for uses it').waitFor();
  await inspector.getByRole('button', { name: 'Run to here' }).click();
  await page.getByTestId('node-c').locator('img').waitFor();
}

export async function waiting_runs_are_put_in_order({ page, picture }) {
  await page.getByRole('button', { name: 'Queue', exact: true }).click();
  await page.getByRole('button', { name: 'Pause the queue' }).click();
  await page.getByRole('button', { name: 'Go on' }).waitFor();
  for (const name of ['first', 'second', 'third']) {
    await openDocument(page, { ...SLOW, name });
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByRole('button', { name: `cancel ${name}` }).waitFor();
  }
  const waiting = page.getByRole('list', { name: 'waiting runs' }).getByRole('listitem');
  const names = async () => (await waiting.locator('.tile > span').allInnerTexts()).join(' ');
  assert.equal(await names(), 'first second third');
  await waiting.nth(2).focus();
  await page.keyboard.press('Alt+ArrowUp');
  await page.waitForFunction(
    () =>
      [...document.querySelectorAll('.waiting-runs .tile > span')].map((one) => one.textContent).join(' ') ===
      'first third second',
  );
  await waiting.nth(2).dragTo(waiting.nth(0));
  await page.waitForFunction(
    () => document.querySelector('.waiting-runs .tile > span').textContent === 'second',
  );
  await picture('queue');
  await page.getByRole('button', { name: /queue paused/ }).waitFor();
  assert.equal(await page.locator('.run-row.running').count(), 0, 'a paused queue starts nothing');
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.locator('.run-row.running').getByText('second').waitFor();
  assert.equal(await page.getByRole('button', { name: /queue paused/ }).count(), 0);
  await page.getByRole('button', { name: 'Cancel all' }).click();
  await waiting.first().waitFor({ state: 'detached' });
  const over = page.locator('.run-row.cancelled');
  await over.nth(2).waitFor();
  await page.getByLabel('this workflow alone').check();
  await over.nth(1).waitFor({ state: 'detached' });
  assert.deepEqual(await over.locator('.tile > span').allInnerTexts(), ['third'], 'the open one');
  await page.getByRole('button', { name: 'run third again' }).click();
  await page.getByRole('button', { name: 'cancel third' }).click();
  await over.nth(1).waitFor();
}

export async function a_measured_clip_is_drawn_as_curves({ page, picture }) {
  await openDocument(page, {
    graphflow: 1,
    name: 'measured',
    nodes: {
      clip: { type: 'toyworld/clip', ui: { x: 0, y: 0 } },
      scores: { type: 'evaluation/measure', inputs: { video: 'clip.video' }, ui: { x: 330, y: 0 } },
    },
    outputs: { scores: 'scores' },
  });
  await run(page);
  const node = page.getByTestId('node-scores');
  const curve = node.getByRole('img', { name: /\d+ values from/ });
  await curve.waitFor();
  const first = await curve.getAttribute('aria-label');
  await node.getByRole('button', { name: 'next curve' }).click();
  assert.notEqual(await curve.getAttribute('aria-label'), first);
  await picture('curve');
  await node.locator('.result').hover();
  await node.getByRole('button', { name: /see the result of .* large/ }).click();
  const dialog = page.getByRole('dialog');
  const slider = dialog.getByRole('slider').first();
  await slider.focus();
  await press(page, 'ArrowRight');
  assert.match(await slider.getAttribute('aria-valuetext'), /^2 of \d+: /);
  await dialog.getByRole('columnheader', { name: 'metric' }).waitFor();
  await picture('curves');
  assert.deepEqual(await serious(page), []);
}

export async function what_a_node_told_is_shown_at_it_and_in_the_list({ page, picture }) {
  await openDocument(page, {
    graphflow: 1,
    name: 'told',
    nodes: {
      model: { type: 'diffusion/load_model', ui: { x: 0, y: 0 } },
      clip: { type: 'toyworld/clip', params: { frames: 10 }, ui: { x: 0, y: 330 } },
      like: {
        type: 'diffusion/latents_like',
        inputs: { vae: 'model.vae', media: 'clip.video' },
        ui: { x: 360, y: 120 },
      },
    },
    outputs: { latents: 'like' },
  });
  await run(page);
  const badge = page.getByTestId('node-like').getByRole('button', { name: /^1 notice of like$/ });
  const text = await badge.getAttribute('title');
  assert.ok(text.length > 10, text);
  await badge.click();
  const list = page.getByRole('region', { name: 'problems' });
  await list.getByText(text).waitFor();
  await picture('notices');
  assert.deepEqual(await serious(page), []);
  await list.getByRole('button', { name: /^like/ }).click();
  await page.getByRole('complementary', { name: 'inspector' }).getByText(text).waitFor();
  await page.reload();
  await badge.waitFor();
  await page.getByRole('button', { name: '1 notice', exact: true }).waitFor();
}

export async function a_failure_is_still_told_after_a_reload({ page }) {
  await openDocument(page, {
    graphflow: 1,
    name: 'fails at work',
    nodes: {
      clip: { type: 'toyworld/clip', ui: { x: 0, y: 0 } },
      frame: {
        type: 'media/pick_frame',
        params: { index: 999 },
        inputs: { video: 'clip.video' },
        ui: { x: 360, y: 0 },
      },
    },
    outputs: { image: 'frame' },
  });
  await page.getByTestId('state-frame').getByText('will run').waitFor();
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  const problems = page.getByRole('region', { name: 'problems' });
  await problems.getByText('there is no frame 999').waitFor({ timeout: 60_000 });
  await page.waitForTimeout(600);
  await page.reload();
  await page.getByTestId('state-frame').getByText('failed').waitFor();
  await page.getByRole('button', { name: '1 problem', exact: true }).click();
  await problems.getByText('there is no frame 999').waitFor();
  assert.equal(await page.getByRole('alert').count(), 0, 'what was said is not said again');
}
