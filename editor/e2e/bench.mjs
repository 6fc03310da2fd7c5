/** Times how large graphs are drawn, and prints a table: `node e2e/bench.mjs`. Nothing else should run meanwhile. */

import { browse, lacking, open, Server } from './lab.mjs';
import { chains, dragNode, firstDrawn, pan, zoom } from './fluency.mjs';

const COUNTS = [100, 500, 1000];
const ROUNDS = 3;

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** One graph in a page of its own. */
async function measured(browser, server, count) {
  const page = await open(browser, server);
  const first = await firstDrawn(page, chains(count));
  const drawn = await page.locator('.react-flow__node').count();
  const row = {
    first,
    pan: await pan(page),
    zoom: await zoom(page),
    drag: (await dragNode(page)).fps,
    drawn,
  };
  const heap = await page.evaluate(() => performance.memory.usedJSHeapSize / 1e6);
  await page.context().close();
  return { ...row, heap };
}

const missing = await lacking();
if (missing.length > 0) {
  console.error(`The editor cannot be timed:\n${missing.join('\n')}`);
  process.exit(2);
}
const [server, browser] = [await Server.start(), await browse()];
try {
  console.log('| nodes | first render ms | pan fps | zoom fps | drag fps | nodes drawn | heap MB |');
  console.log('|---|---|---|---|---|---|---|');
  for (const count of COUNTS) {
    const rows = [];
    for (let round = 0; round < ROUNDS; round++) rows.push(await measured(browser, server, count));
    const cells = ['first', 'pan', 'zoom', 'drag', 'drawn', 'heap'].map((name) =>
      Math.round(median(rows.map((row) => row[name]))),
    );
    console.log(`| ${count} | ${cells.join(' | ')} |`);
  }
} finally {
  await browser.close();
  await server.end();
}
