/** Runs the scenarios in a real browser: `node e2e/run.mjs [name ...]`. Leaves pictures in e2e/pictures. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { browse, lacking, open, PICTURES, Server } from './lab.mjs';
import * as arranging from './arranging.mjs';
import * as canvas from './canvas.mjs';
import * as compare from './compare.mjs';
import * as drafts from './drafts.mjs';
import * as first from './first_time.mjs';
import * as keyboard from './keyboard.mjs';
import * as large from './large.mjs';
import * as levels from './levels.mjs';
import * as mistakes from './mistakes.mjs';
import * as plain from './plain_http.mjs';
import * as results from './results.mjs';
import * as runs from './runs.mjs';
import * as safety from './safety.mjs';
import * as saving from './saving.mjs';
import * as settings from './settings.mjs';
import * as tablet from './tablet.mjs';

/** Two lanes at a time, each with a server of its own: the one draws, the other mostly waits for nodes. */
const LANES = [
  { canvas, arranging, settings, saving, drafts, safety, mistakes, large },
  { first, compare, results, runs, levels, keyboard, tablet, plain },
];

/** Most failures that are played a second time, without another lane beside them. */
const AGAIN = 3;

const wanted = process.argv.slice(2);
const chosen = (parts) =>
  Object.entries(parts)
    .flatMap(([part, scenarios]) =>
      Object.entries(scenarios).map(([name, play]) => ({ name: `${part}.${name}`, play })),
    )
    .filter(({ name }) => wanted.length === 0 || wanted.some((one) => name.startsWith(one)));

/** Play scenarios one after another; gives those that failed. */
async function play(scenarios, browser) {
  if (scenarios.length === 0) return [];
  const failed = [];
  const server = await Server.start();
  try {
    for (const scenario of scenarios) {
      const { name, play } = scenario;
      const start = Date.now();
      let page;
      try {
        page = await open(browser, server);
        await play({
          page,
          server,
          browser,
          picture: (one) => page.screenshot({ path: join(PICTURES, `${one}.png`) }),
        });
        if (page.faults.length > 0) throw new Error(`the page complained: ${page.faults.join('\n')}`);
        console.log(`ok      ${name} ${Date.now() - start} ms`);
      } catch (error) {
        failed.push(scenario);
        await page?.screenshot({ path: join(PICTURES, `failed-${name}.png`) }).catch(() => undefined);
        console.log(`FAILED  ${name} ${Date.now() - start} ms\n${error.stack ?? error}`);
        if (page !== undefined && page.faults.length > 0) console.log(page.faults.join('\n'));
      } finally {
        await page?.context().close();
      }
    }
  } finally {
    await server.end();
  }
  return failed;
}

const missing = await lacking();
if (missing.length > 0) {
  console.error(`The browser tests cannot be played:\n${missing.join('\n')}`);
  process.exit(2);
}
await mkdir(PICTURES, { recursive: true });
const browser = await browse();
const began = Date.now();
const lanes = LANES.map(chosen);
try {
  const failures = (await Promise.all(lanes.map((lane) => play(lane, browser)))).flat();
  if (failures.length > 0 && failures.length <= AGAIN)
    console.log('again, alone: what waits for a busy machine may come too late');
  const failed = failures.length > AGAIN ? failures.length : (await play(failures, browser)).length;
  const total = lanes.flat().length;
  console.log(`${total - failed} of ${total} scenarios in ${Math.round((Date.now() - began) / 1000)} s`);
  process.exitCode = failed === 0 && total > 0 ? 0 : 1;
} finally {
  await browser.close();
}
